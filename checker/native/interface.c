/* What Python calls: to begin and end a search, to expand states, to keep it in a checkpoint, and to ask about the finished graph. */

struct R *luo_new(void) {
  struct R *r = calloc(1, sizeof *r);
  if (!r) return 0;
  r->whole = r;
  for (int i = 0; i <= N_CLAIMS; i++) r->found_depth[i] = -1;
  r->budget = INT64_MAX;
  clock_gettime(CLOCK_MONOTONIC, &r->polled);
  if (!bigger_table(r, FIRST_ROOM)) { free(r); return 0; }
  return r;
}

static void free_edges(struct edges *e) { free(e->source); free(e->target); free(e->event); free(e->faults); free(e->mask); free(e->turn); }

static void free_lists(struct R *r) {
  free(r->table); free(r->states); free(r->faults_of); free(r->flags); free(r->marks); free(r->moments); free(r->cut_states);
  free(r->waits); free(r->answers); free_edges(&r->all); free_edges(&r->cone); free(r->turns);
}

void luo_free(struct R *r) {
  free_team(r->team); free_lists(r);
#if SYMMETRY
  for (int k = 0; k < N_KINDS; k++) free(r->y.of[k].list);
#endif
  free(r);
}

void luo_start(struct R *r, const u64 *raw) {
  u64 w[W], turn = 0;
  memcpy(w, raw, sizeof w);
#if SYMMETRY
  struct S s;
  unpack(w, &s);
  if (r->y.on) turn = canonical(&r->y, &s, w);
#endif
  r->depth = -1;
  r->level_end = 0;
  found(r, w, hash_of(w), 0, turn);
  r->depth = 0;
}

/* Before everything else: the group of each sort that may be moved, as a kind, a count, the class of each element, and a list. */
int luo_symmetry(struct R *r, const uint8_t *data, i64 length) {
#if SYMMETRY
  const uint8_t *end = data + length;
  for (int k = 0, first = 0; k < N_KINDS && data < end; first += kind_size[k++]) {
    struct group *g = &r->y.of[k];
    g->kind = data[0]; g->count = data[1] | data[2] << 8;
    data += 3;
    memcpy(r->y.class_of + first, data, (size_t)kind_size[k]);
    data += kind_size[k];
    if (g->kind != LISTED) continue;
    size_t size = (size_t)g->count * (size_t)kind_size[k];
    if (!(g->list = malloc(size))) return 0;
    memcpy(g->list, data, size);
    data += size;
  }
  r->y.on = 1;
  return 1;
#else
  (void)r; (void)data;
  return length == 0;
#endif
}

/* The source that is expanded next. */
static void enter(struct R *r, struct S *s) {
  load(r->whole, r->source, s);
#if SYMMETRY
  if (r->y.on) pack(s, r->here_w);
#endif
}

/* Everything before the next source is settled: a search can be taken up here. */
static void safe_point(struct R *r) {
  settle(r);
  if (r->status) return;
  struct point *p = &r->point;
  p->source = r->source; p->n = r->n; p->transitions = r->transitions + r->here;
  p->edges = r->all.n; p->moments = r->moments_n; p->cut_states = r->cut_n; p->waits = r->waiting_n;
  memcpy(p->cuts, r->cuts, sizeof p->cuts);
}

/* Expands some states of a level.  The transitions of a state that was not finished do not count. */
static void expand_states(struct R *r, i64 first, i64 last) {
  struct S s;
  int whole = r->whole == r;
  r->here = 0; r->here_source = -1; r->npending = 0;
  for (r->source = first; r->source < last && !r->status; r->source++) {
    if (whole && (r->source == first || r->source % POINT_EVERY == 0)) safe_point(r);
    if (r->status) break;
    enter(r, &s);
    expand(r, &s);
    if (r->status) break;
  }
  if (r->status != SPEC_ERROR && r->status != NO_MEMORY && r->status != OVER_BUDGET && r->npending) {
    int status = (int)r->status;
    r->status = 0;
    settle(r);
    stop_with(r, status);
  }
  if (!r->status || r->here_source != r->source) r->transitions += r->here;
  r->here = 0;
  if (whole && !r->status) safe_point(r);
}

/* ---- checkpoints ---- */

/* What a checkpoint keeps, as of the last safe point: a row for each array.  Answers how many. */
i64 luo_arrays(struct R *r, struct array *rows) {
  struct point *p = &r->point;
  struct array *row = rows;
#define PART(what) *row++ = (struct array){#what, (void **)&r->what, 0, sizeof r->what, 1}
#define GROWING(what, has_room, items, size) *row++ = (struct array){#what, (void **)&r->what, &r->has_room, (i64)(size), items}
  PART(point); PART(fired); PART(blocked); PART(seen); PART(covered); PART(found_depth);
  GROWING(states, states_room, p->n, W * sizeof(u64));
  GROWING(faults_of, states_room, p->n, sizeof(uint16_t));
  if (REDUCED(r)) GROWING(turns, states_room, p->n, sizeof(u64));
#if N_FLAGS
  GROWING(flags, states_room, p->n, N_FLAGS);
#endif
  GROWING(all.source, all.room, p->edges, sizeof(i64));
  GROWING(all.target, all.room, p->edges, sizeof(i64));
  GROWING(all.event, all.room, p->edges, sizeof(int16_t));
  GROWING(all.faults, all.room, p->edges, sizeof(int16_t));
  GROWING(all.mask, all.room, p->edges, sizeof(u64));
  GROWING(moments, moments_room, p->moments, sizeof(struct moment));
  GROWING(cut_states, cut_room, p->cut_states, sizeof(i64));
  GROWING(waits, waiting_room, p->waits, sizeof(struct waiting));
  return row - rows;
}

/* Makes room for an array that is about to be read from a checkpoint.  Answers whether there is. */
int luo_make_room(struct R *r, const struct array *a) {
  i64 room = a->count > FIRST_ROOM ? a->count : FIRST_ROOM;  /* the same for all arrays that share it, whatever is left of the budget */
  if (!affords(r, room * a->item)) { stop_with(r, OVER_BUDGET); return 0; }
  *a->place = resized(r, *a->place, 0, room, (size_t)a->item);
  if (r->status) return 0;
  *a->room = room;
  return 1;
}

static int all_within(const i64 *x, i64 count, i64 low, i64 end) {
  for (i64 i = 0; i < count; i++) if (x[i] < low || x[i] >= end) return 0;
  return 1;
}

/* Do all numbers that were read say something?  A file may have come from anywhere. */
static int sensible(const struct R *r) {
  const struct edges *e = &r->all;
  if (!all_within(e->source, e->n, 0, r->n) || !all_within(e->target, e->n, -1, r->n)) return 0;
  for (i64 i = 0; i < e->n; i++) if (e->event[i] < 0 || e->event[i] >= N_EVENTS) return 0;
  for (i64 i = 0; i < r->moments_n; i++) {
    const struct moment *m = &r->moments[i];
    if (m->source < 0 || m->source >= r->n || m->claim < 0 || m->claim >= N_CLAIMS || m->event < -1 || m->event >= N_EVENTS) return 0;
    if (m->kind < 0 || (m->kind > OUT_CUT && m->event >= 0)) return 0;
  }
  for (i64 i = 0; i < r->waiting_n; i++) {
    const struct waiting *w = &r->waits[i];
    if (w->source < 0 || w->source >= r->n || w->event < 0 || w->event >= N_EVENTS) return 0;
  }
#if SYMMETRY
  for (i64 i = 0; r->y.on && i < r->n; i++) if (!is_turn(r->turns[i])) return 0;
#endif
  return all_within(r->cut_states, r->cut_n, 0, r->n);
}

/* After the arrays of a checkpoint were read: everything else follows from them.  Answers whether they are sensible. */
int luo_take_up(struct R *r) {
  const struct point *p = &r->point;
  u64 size = 1024;
  r->n = p->n; r->transitions = p->transitions;
  r->all.n = p->edges; r->moments_n = p->moments; r->cut_n = p->cut_states; r->waiting_n = p->waits;
  memcpy(r->cuts, p->cuts, sizeof r->cuts);
  if (!sensible(r)) return 0;
  while ((u64)(r->n + 1) * 4 > size * 3) size *= 2;
  if (!bigger_table(r, size)) r->n = r->moments_n = 0;
  return 1;
}

int luo_mark(struct R *r, const i64 *states, i64 count) {
  if (!r->marks && !(r->marks = calloc((size_t)r->n + 1, 1))) return 0;
  for (i64 i = 0; i < count; i++) r->marks[states[i]] = 1;
  return 1;
}

/* Collects the edges of the level that lead to marked states with the fewest faults, and marks where they come from. */
void luo_trace(struct R *r) {
  struct S s;
  r->tracing = 1;
  r->level_end = r->last;
  for (r->source = r->first; r->source < r->last && !r->status; r->source++) {
    i64 before = r->cone.n;
    enter(r, &s);
    expand(r, &s);
    if (r->cone.n > before) r->marks[r->source] = 1;
  }
  r->tracing = 0;
}

static int usable(const struct edges *e, i64 i, const uint8_t *events, int with_faults, u64 others_than) {
  if (e->target[i] < 0 || e->target[i] == e->source[i]) return 0;
  if (!with_faults && e->faults[i]) return 0;
  if (!events[e->event[i]] && !(e->mask[i] >> 16 & 1)) return 0;
  return !others_than || (e->mask[i] & (BIT(16) - 1)) != others_than;
}

/* Which states can reach a goal (one byte for each state, changed in place) over the edges that a rule allows; see EdgeRule. */
int luo_backward(const struct R *r, const uint8_t *events, int with_faults, i64 others_than, uint8_t *goals) {
  const struct edges *e = &r->all;
  i64 *starts = calloc((size_t)r->n + 2, sizeof(i64)), *todo = malloc(((size_t)r->n + 1) * sizeof(i64)), *into = 0, top = 0;
  if (!starts || !todo) { free(starts); free(todo); return 0; }
  for (i64 i = 0; i < e->n; i++) if (usable(e, i, events, with_faults, (u64)others_than)) starts[e->target[i] + 2]++;
  for (i64 s = 0; s <= r->n; s++) starts[s + 1] += starts[s];
  into = malloc(((size_t)starts[r->n + 1] + 1) * sizeof(i64));
  if (!into) { free(starts); free(todo); return 0; }
  for (i64 i = 0; i < e->n; i++)
    if (usable(e, i, events, with_faults, (u64)others_than)) into[starts[e->target[i] + 1]++] = e->source[i];
  for (i64 s = 0; s < r->n; s++) if (goals[s]) todo[top++] = s;
  while (top) {
    i64 s = todo[--top];
    for (i64 k = starts[s]; k < starts[s + 1]; k++)
      if (!goals[into[k]]) { goals[into[k]] = 1; todo[top++] = into[k]; }
  }
  free(starts); free(todo); free(into);
  return 1;
}
