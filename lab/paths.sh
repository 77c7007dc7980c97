# Where the lab keeps what it fetches and builds, and how it says that it cannot go on. Read with "." by the scripts here.
LAB=$(cd "$(dirname "$0")" && pwd)
CACHE=${LUOCHECK_LAB:-${XDG_CACHE_HOME:-$HOME/.cache}/luocheck-lab}
KERNEL=${LAB_KERNEL:-7.3}

# Exit status 3, as everywhere in luocheck: nothing was found out, because a tool or a source is not to be had.
missing() {
	echo "lab: $*" >&2
	exit 3
}
