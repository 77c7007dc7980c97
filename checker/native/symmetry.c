/* Symmetry reduction: canonical forms of states, as in checker/explore/symmetry.py.  The generated part gives N_MOVED (elements of all sorts
 * that may be exchanged), N_KINDS (those sorts) with their sizes, places in a turn and bits, and
 * turned (a state after a turn) and colour_round (what a state says of each element).  Included behind those.
 *
 * A state is kept in its canonical form, with the turn that leads there from the state that was found first and stands for the orbit.
 */

static u64 turn_code(const struct turn *t) {
  u64 code = 0;
  int at = 0;
  for (int k = 0; k < N_KINDS; k++)
    for (int x = 0; x < kind_size[k]; x++, at += kind_bits[k]) code |= (u64)t->x[kind_first[k] + x] << at;
  return code;
}

/* Is it the code of a turn? */
static int is_turn(u64 code) {
  for (int k = 0; k < N_KINDS; k++) {
    u64 images = 0;
    for (int x = 0; x < kind_size[k]; x++, code >>= kind_bits[k]) images |= BIT(code & (BIT(kind_bits[k]) - 1));
    if (images != BIT(kind_size[k]) - 1) return 0;
  }
  return !code;
}

/* The turn that takes back the one of a code. */
static void turn_back(u64 code, struct turn *t) {
  for (int k = 0; k < N_KINDS; k++)
    for (int x = 0; x < kind_size[k]; x++, code >>= kind_bits[k]) t->x[kind_first[k] + (code & (BIT(kind_bits[k]) - 1))] = (uint8_t)x;
}

static int distinct(const u64 *c) {
  int count = 0;
  for (int k = 0; k < N_KINDS; k++)
    for (int x = 0; x < kind_size[k]; x++) {
      const u64 *mine = c + kind_first[k];
      int y = 0;
      while (y < x && mine[y] != mine[x]) y++;
      count += y == x;
    }
  return count;
}

static void refine(const struct S *s, u64 *c) {
  int count = -1, now;
  while ((now = distinct(c)) != count && now != N_MOVED) {
    u64 sum[N_MOVED] = {0};
    count = now;
    colour_round(s, c, sum);
    for (int x = 0; x < N_MOVED; x++) c[x] = mix(c[x], sum[x]);
  }
}

static void colours(const struct symmetry *y, const struct S *s, u64 *c) {
  for (int x = 0; x < N_MOVED; x++) c[x] = y->class_of[x];
  refine(s, c);
}

/* What the search for the canonical form of one state has found so far. */
struct canon { const struct symmetry *y; const struct S *s; const u64 *raw; u64 *w; u64 code; int found; };

static void offer(struct canon *b, const struct turn *t) {
  struct S d;
  u64 w[W];
  turned(b->s, t, &d);
  pack(&d, w);
  if (b->found) {
    int i = 0;
    while (i < W && w[i] == b->w[i]) i++;
    if (i == W || w[i] > b->w[i]) return;
  }
  memcpy(b->w, w, sizeof w);
  b->code = turn_code(t); b->found = 1;
}

/* Compares what two permutations of a list put where. */
static int placed_before(const uint8_t *p, const uint8_t *q, const u64 *c, int n) {
  for (int place = 0; place < n; place++) {
    u64 a = 0, b = 0;
    for (int x = 0; x < n; x++) { if (p[x] == place) a = c[x]; if (q[x] == place) b = c[x]; }
    if (a != b) return a < b ? -1 : 1;
  }
  return 0;
}

/* All turns that put the colours in order, from sort k on. */
static void turn_in_order(struct canon *b, const u64 *c, struct turn *t, int k) {
  if (k == N_KINDS) { offer(b, t); return; }
  const struct group *g = &b->y->of[k];
  int n = kind_size[k], first = kind_first[k];
  const u64 *mine = c + first;
  uint8_t *to = t->x + first;
  if (g->kind == LISTED) {
    const uint8_t *best = g->list;
    for (int i = 1; i < g->count; i++) if (placed_before(g->list + i * n, best, mine, n) < 0) best = g->list + i * n;
    for (int i = 0; i < g->count; i++)
      if (!placed_before(g->list + i * n, best, mine, n)) { memcpy(to, g->list + i * n, (size_t)n); turn_in_order(b, c, t, k + 1); }
    return;
  }
  const uint8_t *class_of = b->y->class_of + first;
  for (int x = 0; x < n; x++) {
    int rank = 0, place = 0;
    for (int z = 0; z < n; z++) rank += class_of[z] == class_of[x] && (mine[z] < mine[x] || (mine[z] == mine[x] && z < x));
    for (; rank || class_of[place] != class_of[x]; place++) rank -= class_of[place] == class_of[x];
    to[x] = (uint8_t)place;
  }
  turn_in_order(b, c, t, k + 1);
}

static int twins(const struct canon *b, int k, int one, int other) {
  struct turn t;
  struct S d;
  u64 w[W];
  for (int i = 0; i < N_KINDS; i++) for (int x = 0; x < kind_size[i]; x++) t.x[kind_first[i] + x] = (uint8_t)x;
  t.x[kind_first[k] + one] = (uint8_t)other; t.x[kind_first[k] + other] = (uint8_t)one;
  turned(b->s, &t, &d);
  pack(&d, w);
  return same(w, b->raw);
}

/* The first elements that are alike so far and are not twins: their sort, and one of them; -1 when there are none. */
static int tie(const struct canon *b, const u64 *c, int *which) {
  for (int k = 0; k < N_KINDS; k++) {
    if (b->y->of[k].kind != CLASSES) continue;
    const u64 *mine = c + kind_first[k];
    int best = -1;
    for (int x = 0; x < kind_size[k]; x++) {
      int first = 1;
      for (int z = 0; z < x; z++) first = first && mine[z] != mine[x];
      if (!first || (best >= 0 && mine[x] >= mine[best])) continue;
      for (int z = x + 1; z < kind_size[k]; z++)
        if (mine[z] == mine[x]) { if (!twins(b, k, x, z)) { best = x; break; } }
    }
    if (best >= 0) { *which = best; return k; }
  }
  return -1;
}

static void canon_search(struct canon *b, const u64 *c) {
  int which, k = tie(b, c, &which);
  struct turn t;
  if (k < 0) { turn_in_order(b, c, &t, 0); return; }
  const u64 *mine = c + kind_first[k];
  for (int x = 0; x < kind_size[k]; x++) {
    if (mine[x] != mine[which]) continue;
    u64 own[N_MOVED];
    memcpy(own, c, sizeof own);
    own[kind_first[k] + x] = mix(own[kind_first[k] + x], 1);
    refine(b->s, own);
    canon_search(b, own);
  }
}

/* Replaces a packed state by its canonical form; the code of the turn that leads there. */
static u64 canonical(const struct symmetry *y, const struct S *s, u64 *w) {
  u64 raw[W], c[N_MOVED];
  memcpy(raw, w, sizeof raw);
  struct canon b = {y, s, raw, w, 0, 0};
  colours(y, s, c);
  canon_search(&b, c);
  return b.code;
}

/* The state that stands for an orbit, from its canonical form. */
static void unfolded(const u64 *w, u64 code, struct S *s) {
  struct S d;
  struct turn t;
  unpack(w, &d);
  turn_back(code, &t);
  turned(&d, &t, s);
}

/* ---- the least turn from one state to another ---- */

struct match { const struct symmetry *y; const struct S *s; const u64 *goal; u64 mine[N_MOVED], theirs[N_MOVED]; struct turn t; };

static int match_from(struct match *m, int k, int x) {
  if (k == N_KINDS) {
    struct S d;
    u64 w[W];
    turned(m->s, &m->t, &d);
    pack(&d, w);
    return same(w, m->goal);
  }
  int n = kind_size[k], first = kind_first[k];
  uint8_t *to = m->t.x + first;
  if (x == n) return match_from(m, k + 1, 0);
  const struct group *g = &m->y->of[k];
  if (g->kind == LISTED) {
    for (int i = 0; i < g->count; i++) {
      const uint8_t *p = g->list + i * n;
      int ok = 1;
      for (int z = 0; z < n; z++) ok = ok && m->mine[first + z] == m->theirs[first + p[z]];
      if (!ok) continue;
      memcpy(to, p, (size_t)n);
      if (match_from(m, k + 1, 0)) return 1;
    }
    return 0;
  }
  for (int place = 0; place < n; place++) {
    int taken = g->kind == ALONE ? place != x : m->mine[first + x] != m->theirs[first + place] || m->y->class_of[first + x] != m->y->class_of[first + place];
    for (int z = 0; z < x && !taken; z++) taken = to[z] == place;
    if (taken) continue;
    to[x] = (uint8_t)place;
    if (match_from(m, k, x + 1)) return 1;
  }
  return 0;
}

/* Code of the least turn that makes the packed state `goal` of s.  There is one. */
static u64 turn_between(const struct symmetry *y, const struct S *s, const struct S *target, const u64 *goal) {
  struct match m = {.y = y, .s = s, .goal = goal};
  colours(y, s, m.mine);
  colours(y, target, m.theirs);
  match_from(&m, 0, 0);
  return turn_code(&m.t);
}
