/* Breadth-first search over packed states.  The generated part gives W (words of a state), struct S and struct G, the sizes below, and
 * pack, unpack, expand, check_state and event_mask; this file is included between its types and its functions.
 *
 * States stand in the order in which they are found, so a level is a range of numbers.  The table is open-addressing; an entry is the
 * number of a state plus one and some bits of its hash, and every hit is compared with the state itself.
 */

enum { OUT_RETURNS, OUT_SUSPENDS, OUT_PANIC, OUT_OOPS, OUT_CUT };
enum { RUNNING, STOPPED_MOST = 1, STOPPED_POLL = 2, NO_MEMORY = 3, NOT_DONE_HERE = 4, SPEC_ERROR = 5, OVER_BUDGET = 6 };

#define BIT(x) ((u64)1 << (x))
#define NUMBER_BITS 40
#define NUMBER_MASK (BIT(NUMBER_BITS) - 1)
#define SCRIPT 4096
#define FINDINGS 64
#define BATCH 64
#define POINT_EVERY 16
#define AHEAD 16  /* how many places in the table are fetched before they are needed */
#ifndef FIRST_ROOM  /* tests begin with less */
#define FIRST_ROOM 1024
#endif

#ifdef ALLOCATIONS_FAIL  /* for tests, which say how many allocations succeed until one fails, and whether all after it fail too */
i64 luo_succeed = -1, luo_for_ever;
static int no_memory(void) { if (luo_succeed > 0) { luo_succeed--; return 0; } if (luo_succeed == 0) { luo_succeed = luo_for_ever - 1; return 1; } return 0; }
#define malloc(size) (no_memory() ? 0 : malloc(size))
#define calloc(count, size) (no_memory() ? 0 : calloc(count, size))
#define realloc(old, size) (no_memory() ? 0 : realloc(old, size))
#endif

#if SYMMETRY
struct turn { uint8_t x[N_MOVED]; };
/* The group of each sort: nothing, all permutations that keep classes, or a list. */
enum { ALONE, CLASSES, LISTED };
struct group { int kind, count; uint8_t *list; };
struct symmetry { int on; struct group of[N_KINDS]; uint8_t class_of[N_MOVED]; };
#endif

struct edges { i64 n, room; i64 *source, *target; int16_t *event, *faults; u64 *mask, *turn; };
struct moment { i64 source; u64 mask; int32_t claim, event, resumed, errno_, kind, label, faults, args[MAX_ARGS]; };
struct waiting { i64 source; int32_t event, args[MAX_ARGS]; };
struct answer { i64 target; int32_t kind, errno_; };
/* Where a search can be taken up again: how much there was of everything when all that the sources before `source` lead to was settled.
 * What stands in R besides may have seen more: seeing it again changes nothing (marks of coverage, fewest faults, depths of discoveries). */
struct point { i64 source, n, transitions, edges, moments, cut_states, waits, cuts[N_CUTS + 1]; };
/* Memory that a checkpoint keeps: `count` items, of which there is room for `*room`; no room: a part of R, which never grows. */
struct array { const char *name; void **place; i64 *room; i64 item, count; };
/* One way in which a call ended that is not looked up yet. */
struct pending { u64 w[W], hash, turn, about; i64 source, target; u64 call; int32_t faults, run_faults; int16_t event, kind, errno_; uint8_t new_place; };

struct R {
  /* what Python reads and writes; in the order of `runtime.py` */
  i64 n, transitions, first, last, depth, most, status;
  i64 error_code, error_claim, error_span, error_name;
  u64 *states;
  uint16_t *faults_of;
  u64 *turns;
  uint8_t *flags;
  uint8_t *marks;
  struct edges all, cone;
  i64 moments_n;
  struct moment *moments;
  i64 cut_n;
  i64 *cut_states;
  i64 waiting_n;
  struct waiting *waits;
  i64 table_bytes, states_room;
  int (*poll)(i64 states, i64 left);
  i64 keep_edges, tracing, threads;
  i64 budget, held;
  uint8_t fired[N_EVENTS + 1], blocked[N_EVENTS + 1], seen[N_CLAIMS + 1];
  i64 cuts[N_CUTS + 1];
  u64 covered[N_LINES / 64 + 1];
  /* its own */
  struct R *whole;  /* whose states are expanded: itself, or for one of several threads the search that it works for */
  struct team *team;
  i64 found_depth[N_CLAIMS + 1];
  struct point point;
  struct G g;
#if SYMMETRY
  struct symmetry y;
  u64 here_w[W];
#endif
  u64 *table;
  u64 table_mask;
  i64 moments_room, cut_room, waiting_room, answers_room;
  i64 source, level_end, here, here_source;
  int event, resumed, had_waited, faults, steps, step, nfindings, nanswers, npending, late_error;
  u64 ticks, call, answers_call;
  i64 over;
  u64 lines[N_LINES / 64 + 1];
  int32_t args[MAX_ARGS];
  struct answer *answers;
  int16_t findings[FINDINGS];
  uint16_t chosen[SCRIPT], choices[SCRIPT];
  struct timespec polled;
  struct pending pending[BATCH];
};

static void pack(const struct S *s, u64 *w);
static void unpack(const u64 *w, struct S *s);
static void expand(struct R *r, const struct S *s);
static void check_state(struct R *r, const struct S *s, i64 state);
static void state_flags(struct R *r, const struct S *s, i64 state);
static u64 event_mask(const struct R *r);
static u64 call_label(const struct R *r);
static void settle(struct R *r);
#if SYMMETRY
static u64 canonical(const struct symmetry *y, const struct S *s, u64 *w);
static u64 turn_between(const struct symmetry *y, const struct S *s, const struct S *target, const u64 *goal);
static void unfolded(const u64 *w, u64 code, struct S *s);
static int is_turn(u64 code);
#define REDUCED(r) ((r)->y.on)
#else
#define REDUCED(r) 0
#endif

/* What threads.c gives. */
static int asked_to_stop(struct R *r);
static i64 known_or_new(struct R *r, const struct pending *p);
static void free_team(struct team *team);

#define LINE(k) (r->lines[(k) >> 6] |= BIT((k) & 63))

static void stop_with(struct R *r, int status) { if (!r->status) r->status = status; }

static void raise_error(struct R *r, int code, int claim, int span, int name) {
  if (r->status || r->late_error) return;
  r->error_code = code; r->error_claim = claim; r->error_span = span; r->error_name = name; r->status = SPEC_ERROR;
}

/* An error in a claim about a call is raised after those of the state that the call led to, and of whatever was found before. */
static void raise_later(struct R *r, int code, int claim, int span, int name) {
  if (r->status || r->late_error) return;
  r->error_code = code; r->error_claim = claim; r->error_span = span; r->error_name = name; r->late_error = 1;
}

/* `budget` bounds all the memory that was asked for, used or not, so that it is refused before the process has it. */
static inline int affords(const struct R *r, i64 bytes) { return bytes <= r->budget - r->held; }

/* Room for `wanted` items that take `size` bytes each, in all their arrays together; as much as there is when no more is to be had. */
static i64 more_room(struct R *r, i64 room, i64 wanted, i64 size) {
  if (wanted <= room) return room;
  i64 next = room ? room + room / 2 : FIRST_ROOM;
  if (!affords(r, (next - room) * size)) next = room + room / 16;
  if (next < wanted) next = wanted;
  if (!affords(r, (next - room) * size)) { stop_with(r, OVER_BUDGET); return room; }
  return next;
}

static void *resized(struct R *r, void *old, i64 room, i64 next, size_t size) {
  void *fresh = realloc(old, (size_t)next * size);
  if (!fresh) { stop_with(r, NO_MEMORY); return old; }
  r->held += (next - room) * (i64)size;
  return fresh;
}

static void *grown(struct R *r, void *old, i64 *room, i64 wanted, size_t size) {
  i64 next = more_room(r, *room, wanted, (i64)size);
  if (next == *room) return old;
  void *fresh = resized(r, old, *room, next, size);
  if (!r->status) *room = next;
  return fresh;
}

/* ---- choices: a run is repeated for every script of choices, in lexicographic order ---- */

static inline int pick(struct R *r, int n) {
  if (n <= 1) return 0;
  if (r->step < r->steps) return r->chosen[r->step++];
  if (r->steps >= SCRIPT || n > 65535) { stop_with(r, NOT_DONE_HERE); return 0; }
  r->chosen[r->steps] = 0; r->choices[r->steps++] = (uint16_t)n; r->step++;
  return 0;
}

static int slow_poll(struct R *r) {
  if (r->whole != r) return asked_to_stop(r);
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  double passed = (double)(now.tv_sec - r->polled.tv_sec) + 1e-9 * (double)(now.tv_nsec - r->polled.tv_nsec);
  if (passed > 0.05) {
    r->polled = now;
    if (r->poll && r->poll(r->n, r->n - r->source)) stop_with(r, STOPPED_POLL);
  }
  return r->status != 0;
}

/* Before a call that can be made; answers whether to stop.  `most` is exact: what may pass it is settled first. */
static inline int pulse(struct R *r) {
  if (r->n + r->npending > r->most && !r->tracing) {
    settle(r);
    if (r->n > r->most) stop_with(r, STOPPED_MOST);
  }
  return r->status || ((++r->ticks & 255) == 0 && slow_poll(r));
}

static inline void begin_call(struct R *r) { r->steps = 0; r->call++; }

static inline void begin_run(struct R *r) {
  r->step = 0; r->faults = 0; r->nfindings = 0; r->late_error = 0;
  for (int i = 0; i <= N_LINES / 64; i++) r->lines[i] = 0;
}

static inline int another_run(struct R *r) {
  if (r->status) return 0;
  while (r->steps > 0) {
    if (++r->chosen[r->steps - 1] < r->choices[r->steps - 1]) return !((++r->ticks & 511) == 0 && slow_poll(r));
    r->steps--;
  }
  return 0;
}

static void finding(struct R *r, int claim) {
  if (r->nfindings >= FINDINGS) { stop_with(r, NOT_DONE_HERE); return; }
  r->findings[r->nfindings++] = (int16_t)claim;
}

/* ---- the table ---- */

static inline u64 hash_of(const u64 *w) {
  u64 h = w[0] * 0x9e3779b97f4a7c15ull;
  for (int i = 1; i < W; i++) { h ^= h >> 29; h = (h ^ w[i]) * 0xbf58476d1ce4e5b9ull; }
  h ^= h >> 32; h *= 0xd6e8feb86659fd93ull; h ^= h >> 32;
  return h;
}

static inline int same(const u64 *a, const u64 *b) {
  for (int i = 0; i < W; i++) if (a[i] != b[i]) return 0;
  return 1;
}

static inline u64 entry_of(i64 state, u64 h) { return (u64)(state + 1) | (h >> NUMBER_BITS << NUMBER_BITS); }

/* With so many states? */
static inline int too_full(const struct R *r, i64 states) { return (u64)states * 4 > (r->table_mask + 1) * 3; }

static void fill_table(struct R *r) {
  u64 hashes[AHEAD];
  memset(r->table, 0, (r->table_mask + 1) * sizeof(u64));
  for (i64 i = 0, hashed = 0; i < r->n; i++) {
    for (; hashed < r->n && hashed < i + AHEAD; hashed++) {
      u64 h = hashes[hashed % AHEAD] = hash_of(r->states + hashed * W);
      __builtin_prefetch(&r->table[h & r->table_mask], 1);
    }
    u64 h = hashes[i % AHEAD], at = h & r->table_mask;
    while (r->table[at]) at = (at + 1) & r->table_mask;
    r->table[at] = entry_of(i, h);
  }
}

/* Each probe of a large table would miss the TLB too: where the system gives large pages to those who ask, it asks. */
static void in_large_pages(void *memory, u64 bytes) {
#ifdef MADV_HUGEPAGE
  const u64 page = 4096, large = BIT(21);
  u64 from = ((u64)(uintptr_t)memory + page - 1) & ~(page - 1), to = ((u64)(uintptr_t)memory + bytes) & ~(page - 1);
  if (bytes >= 8 * large && to > from) (void)madvise((void *)(uintptr_t)from, to - from, MADV_HUGEPAGE);
#else
  (void)memory; (void)bytes;
#endif
}

/* It grows in its place: the states say what belongs into it, so that the old and the new one are never there together. */
static int bigger_table(struct R *r, u64 size) {
  i64 more = (i64)(size * sizeof(u64)) - r->table_bytes;
  if (!affords(r, more)) { stop_with(r, OVER_BUDGET); return 0; }
  u64 *fresh = realloc(r->table, size * sizeof(u64));
  if (!fresh) { stop_with(r, NO_MEMORY); return 0; }
  r->held += more;
  r->table = fresh; r->table_mask = size - 1; r->table_bytes = (i64)(size * sizeof(u64));
  in_large_pages(r->table, size * sizeof(u64));
  fill_table(r);
  return 1;
}

static inline i64 look_up(const struct R *r, const u64 *w, u64 h, u64 *place) {
  u64 at = h & r->table_mask, tag = h >> NUMBER_BITS, entry;
  while ((entry = r->table[at]) != 0) {
    if (entry >> NUMBER_BITS == tag) {
      i64 state = (i64)(entry & NUMBER_MASK) - 1;
      if (same(r->states + state * W, w)) return state;
    }
    at = (at + 1) & r->table_mask;
  }
  *place = at;
  return -1;
}

/* The state of a number: with symmetry, the one that stands for its orbit. */
static inline void load(const struct R *r, i64 state, struct S *s) {
#if SYMMETRY
  if (r->y.on) { unfolded(r->states + state * W, r->turns[state], s); return; }
#endif
  unpack(r->states + state * W, s);
}

/* Gives a state the next number, without asking whether it has one. */
static i64 append_state(struct R *r, const u64 *w, int faults, u64 turn) {
  if (r->n + 1 > r->states_room) {
    i64 room = r->states_room, each = W * sizeof(u64) + sizeof(uint16_t) + N_FLAGS + (REDUCED(r) ? sizeof(u64) : 0);
    i64 next = more_room(r, room, r->n + 1, each);
    if (next == room) return -1;
    r->states = resized(r, r->states, room, next, W * sizeof(u64));
    r->faults_of = resized(r, r->faults_of, room, next, sizeof(uint16_t));
    if (N_FLAGS) r->flags = resized(r, r->flags, room, next, N_FLAGS ? N_FLAGS : 1);
    if (REDUCED(r)) r->turns = resized(r, r->turns, room, next, sizeof(u64));
    if (r->status) return -1;
    r->states_room = next;
  }
  i64 state = r->n++;
  for (int i = 0; i < W; i++) r->states[state * W + i] = w[i];
  r->faults_of[state] = (uint16_t)faults;
  if (REDUCED(r)) r->turns[state] = turn;
  return state;
}

static i64 found(struct R *r, const u64 *w, u64 h, int faults, u64 turn) {
  u64 at = 0;
  i64 state = look_up(r, w, h, &at);
  if (state >= 0) return state;
  if (too_full(r, r->n + 1)) {
    if (!bigger_table(r, (r->table_mask + 1) * 2)) return -1;
    look_up(r, w, h, &at);
  }
  state = append_state(r, w, faults, turn);
  if (state < 0) return -1;
  r->table[at] = entry_of(state, h);
#if ASKS_STATES
  struct S s;
  load(r, state, &s);
  check_state(r, &s, state);
#endif
  return state;
}

/* ---- what is remembered ---- */

static void edges_room(struct R *r, struct edges *to, i64 wanted) {
  int turns = to == &r->cone;
  i64 room = to->room, next = more_room(r, room, wanted, 2 * sizeof(i64) + 2 * sizeof(int16_t) + (turns ? 2 : 1) * sizeof(u64));
  if (next == room) return;
  to->source = resized(r, to->source, room, next, sizeof(i64));
  to->target = resized(r, to->target, room, next, sizeof(i64));
  to->event = resized(r, to->event, room, next, sizeof(int16_t));
  to->faults = resized(r, to->faults, room, next, sizeof(int16_t));
  to->mask = resized(r, to->mask, room, next, sizeof(u64));
  if (turns) to->turn = resized(r, to->turn, room, next, sizeof(u64));
  if (!r->status) to->room = next;
}

static void add_edge(struct R *r, struct edges *to, i64 source, i64 target, int event, int faults, u64 mask, u64 turn) {
  if (to->n == to->room) {
    edges_room(r, to, to->n + 1);
    if (r->status) return;
  }
  if (to == &r->cone) to->turn[to->n] = turn;
  to->source[to->n] = source; to->target[to->n] = target;
  to->event[to->n] = (int16_t)event; to->faults[to->n] = (int16_t)faults; to->mask[to->n++] = mask;
}

static void discover(struct R *r, int claim, i64 depth, i64 source, int event, int err, int kind, int label, u64 mask) {
  i64 *known = &r->found_depth[claim];
  if (*known >= 0 && depth > *known) return;
  *known = depth;
  r->moments = grown(r, r->moments, &r->moments_room, r->moments_n + 1, sizeof(struct moment));
  if (r->status) return;
  struct moment *m = &r->moments[r->moments_n++];
  memset(m, 0, sizeof *m);
  m->source = source; m->mask = mask; m->claim = claim; m->event = event; m->errno_ = err; m->kind = kind; m->label = label;
  if (event >= 0) { m->resumed = r->resumed; m->faults = r->faults; memcpy(m->args, r->args, sizeof m->args); }
}

static inline int new_answer(struct R *r, i64 target, int kind, int err) {
  for (int i = 0; i < r->nanswers; i++)
    if (r->answers[i].target == target && r->answers[i].kind == kind && r->answers[i].errno_ == err) return 0;
  r->answers = grown(r, r->answers, &r->answers_room, r->nanswers + 1, sizeof(struct answer));
  if (r->status) return 0;
  struct answer *a = &r->answers[r->nanswers++];
  a->target = target; a->kind = kind; a->errno_ = err;
  return 1;
}

static void blocks(struct R *r) {
  r->blocked[r->event] = 1;
  if (!r->keep_edges || r->tracing) return;
  r->waits = grown(r, r->waits, &r->waiting_room, r->waiting_n + 1, sizeof(struct waiting));
  if (r->status) return;
  struct waiting *w = &r->waits[r->waiting_n++];
  w->source = r->source; w->event = r->event; memcpy(w->args, r->args, sizeof w->args);
}

static int trace(struct R *r, const struct S *s, int kind, u64 result, int touched) {
  u64 w[W], at, turn = 0;
  if (!touched || (kind != OUT_RETURNS && kind != OUT_SUSPENDS)) return 0;
  pack(s, w);
#if SYMMETRY
  if (r->y.on) canonical(&r->y, s, w);
#endif
  i64 target = look_up(r, w, hash_of(w), &at);
  if (target < r->level_end || !r->marks[target]) return 0;
  if (r->faults_of[r->source] + r->faults != r->faults_of[target]) return 0;
#if SYMMETRY
  if (r->y.on) {
    struct S there;
    load(r, target, &there);
    pack(&there, w);
    turn = turn_between(&r->y, s, &there, w);
  }
#endif
  add_edge(r, &r->cone, r->source, target, r->event, r->faults, event_mask(r) | result, turn);
  return 0;
}

/* Looks up what waits, in its order.  All places are fetched before the first is needed: they are spread over much memory. */
static void settle(struct R *r) {
  int count = r->npending;
  r->npending = 0;
  for (int i = 0; i < count; i++) {
    struct pending *p = &r->pending[i];
    if (!p->new_place) continue;
    u64 entry = __atomic_load_n(&r->whole->table[p->hash & r->whole->table_mask], __ATOMIC_RELAXED);
    if (entry) __builtin_prefetch(r->whole->states + (i64)((entry & NUMBER_MASK) - 1) * W);
  }
  for (int i = 0; i < count && !r->status; i++) {
    struct pending *p = &r->pending[i];
    i64 target = p->target;
    if (p->new_place) {
      target = r->whole == r ? found(r, p->w, p->hash, p->faults, p->turn) : known_or_new(r, p);
      if (r->status) return;
      if (r->whole == r && target >= r->level_end && p->faults < r->faults_of[target]) r->faults_of[target] = (uint16_t)p->faults;
    }
    if (r->keep_edges && target >= 0)
      add_edge(r, &r->all, p->source, target, p->event, p->run_faults, p->about, 0);
    if (p->call != r->answers_call) { r->answers_call = p->call; r->nanswers = 0; }
    if (p->source != r->here_source) { r->transitions += r->here; r->here = 0; r->here_source = p->source; }
    r->here += new_answer(r, target, p->kind, p->errno_);
  }
}

/* What an edge remembers of its call; see labels.py. */
static u64 about_call(const struct R *r, int kind, int err, int who) {
  return (u64)(who + 1) | (r->resumed ? BIT(16) | (r->had_waited ? BIT(18) : 0) : 0) | (kind == OUT_RETURNS && !err ? BIT(17) : 0) | call_label(r);
}

/* One way in which a call, or a step of it, ended.  The claims that it breaks are among the findings. */
static void commit(struct R *r, const struct S *s, int kind, int err, int label, u64 result, int touched, int who) {
  if (r->status) return;
  if (r->tracing) { trace(r, s, kind, result, touched); return; }
  struct pending *p = &r->pending[r->npending];
  int goes_on = kind == OUT_RETURNS || kind == OUT_SUSPENDS;
  p->new_place = 0; p->target = -1;
  if (goes_on) {
    p->target = r->source;
    if (touched) {
      pack(s, p->w);
#if SYMMETRY
      if (r->y.on) {
        if (kind == OUT_SUSPENDS && r->resumed && same(p->w, r->here_w)) return;
        p->turn = canonical(&r->y, s, p->w);
      } else
#endif
      if (kind == OUT_SUSPENDS && r->resumed && same(p->w, r->whole->states + r->source * W)) return;
      p->hash = hash_of(p->w); p->new_place = 1;
      __builtin_prefetch(&r->whole->table[p->hash & r->whole->table_mask]);
    }
  }
  r->fired[r->event] = 1;
#if N_LINES
  for (int i = 0; i <= N_LINES / 64; i++) r->covered[i] |= r->lines[i];
#endif
  if (kind == OUT_CUT) {
    r->cuts[label]++;
    if (!r->cut_n || r->cut_states[r->cut_n - 1] != r->source) {
      r->cut_states = grown(r, r->cut_states, &r->cut_room, r->cut_n + 1, sizeof(i64));
      if (!r->status) r->cut_states[r->cut_n++] = r->source;
    }
    u64 about = r->keep_edges ? about_call(r, kind, err, who) : 0;
    if (about & ~(BIT(16) - 1)) {
      settle(r);  /* edges stand in the order of their sources */
      if (!r->status) add_edge(r, &r->all, r->source, -1, r->event, r->faults, about, 0);
    }
    return;
  }
  p->faults = r->whole->faults_of[r->source] + r->faults;
  if (p->faults > 65535) { stop_with(r, NOT_DONE_HERE); return; }
  p->source = r->source; p->call = r->call; p->run_faults = r->faults; p->event = (int16_t)r->event; p->kind = (int16_t)kind;
  p->errno_ = (int16_t)err; p->about = r->keep_edges ? about_call(r, kind, err, who) : 0;
  if (++r->npending == BATCH) settle(r);
  if (!r->nfindings && !r->late_error) return;
  settle(r);
  for (int i = 0; i < r->nfindings && !r->status; i++)
    discover(r, r->findings[i], r->depth + 1, r->source, r->event, err, kind, label, event_mask(r) | result);
  if (r->late_error) stop_with(r, SPEC_ERROR);
}
