/* A level that several threads expand, with the answer of one thread to the letter; included after engine.c.
 *
 * A level is worked off in blocks.  First every thread expands chunks of states, and keeps what it finds in a `struct R` of its own.  A state
 * that nobody found before gets a provisional number, and with it a place in the table that all share.  Then one thread goes over the
 * chunks in their order and gives the states their numbers: in the order of a single thread, which expands one state after the other.
 *
 * What ends a search ends it in the middle of a block.  So where a thread meets anything unusual the work of the block is thrown away,
 * and what is left of the level is done by a single thread.
 */

/* Tests set these, to have small searches done by several threads. */
#ifndef SMALL_LEVEL
#define SMALL_LEVEL 1000  /* with fewer states a level is done before the others are awake */
#endif
#ifndef CHUNK
#define CHUNK 64  /* states that a thread takes at a time */
#endif
#ifndef BLOCK
#define BLOCK (1 << 17)  /* what all threads may note before it is put in order: it is to be found in the cache then */
#endif
#ifndef MOST_NEW
#define MOST_NEW (1 << 17)  /* states that a thread may find in a block; more than that a single thread does */
#endif
#ifndef BEFORE_CHUNK
#define BEFORE_CHUNK  /* tests wait here, so that every thread takes its turn, also on one processor */
#endif
#define BLOCK_SECONDS 0.05  /* so that whoever waits for progress sees some */

enum { MAX_CHUNKS = 1 << 14, MAX_THREADS = 256 };

/* A provisional number says who found the state, and where it stands there. */
#define PROVISIONAL BIT(NUMBER_BITS - 1)
#define PROVISIONAL_BITS 30
#define OWNER(number) ((number) >> PROVISIONAL_BITS & (MAX_THREADS - 1))
#define INDEX(number) ((number) & (i64)(BIT(PROVISIONAL_BITS) - 1))

/* A state on the next level, with how many faults it was reached, and with symmetry by which turn.  The first find of a state stands for it. */
struct find { i64 state; u64 turn; int faults; };
/* Where the lists of a thread end, after a chunk. */
struct ends { i64 finds, moments, edges, waits, cuts; };
struct chunk { int worker; struct ends ends; };

/* A thread, and what it found in a block.  The states of its R are those that it was the first to find. */
struct worker {
  struct R r;  /* the first member: from it the worker is found */
  i64 provisional, most_new;
  pthread_t thread;
  u64 *places;  /* of its states in the table */
  u64 *turns;  /* by which its states came here first */
  i64 *numbers;  /* that its states got, or -1 */
  i64 finds_n, finds_room;
  struct find *finds;
  struct ends done;
};

struct team {
  struct R *whole;
  int workers_n, running, over;
  u64 round;
  pthread_mutex_t lock;
  pthread_cond_t begins, ends;
  i64 from, chunks_n;  /* of the block */
  atomic_llong next;
  atomic_int enough, stop;
  struct worker *workers[MAX_THREADS];
  struct chunk chunks[MAX_CHUNKS];
};

static double seconds_since(const struct timespec *then) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)(now.tv_sec - then->tv_sec) + 1e-9 * (double)(now.tv_nsec - then->tv_nsec);
}

/* ---- what a thread does on its own ---- */

/* Only the thread that Python called may call back. */
static int asked_to_stop(struct R *r) {
  struct team *t = r->whole->team;
  if (r == &t->workers[0]->r && slow_poll(t->whole)) atomic_store(&t->stop, 1);
  if (atomic_load(&t->stop)) stop_with(r, STOPPED_POLL);
  return r->status != 0;
}

static inline const u64 *words_of(const struct team *t, i64 state) {
  return state < (i64)PROVISIONAL ? t->whole->states + state * W : t->workers[OWNER(state)]->r.states + INDEX(state) * W;
}

static void note(struct worker *w, i64 state, int faults, u64 turn) {
  w->finds = grown(&w->r, w->finds, &w->finds_room, w->finds_n + 1, sizeof(struct find));
  if (!w->r.status) w->finds[w->finds_n++] = (struct find){state, turn, faults};
}

/* A state that is known already was noted before, if it is one of the thread's own; one that others found in this block may be theirs only later. */
static i64 known(struct worker *w, i64 state, int faults, u64 turn) {
  struct R *r = &w->r;
  i64 own = state - w->provisional;
  if (own >= 0 && own < r->n) {
    if (faults < r->faults_of[own]) r->faults_of[own] = (uint16_t)faults;
  } else if (state >= (i64)PROVISIONAL || (state >= r->level_end && faults < r->whole->faults_of[state])) {
    note(w, state, faults, turn);
  }
  return state;
}

/* Several threads put states into the table at a time; none is taken out, so whoever finds a place empty may try to take it. */
static i64 known_or_new(struct R *r, const struct pending *p) {
  struct worker *w = (struct worker *)r;
  struct R *all = r->whole;
  i64 own = r->n;
  u64 fresh = entry_of(w->provisional + own, p->hash), at = p->hash & all->table_mask;
  for (;; at = (at + 1) & all->table_mask) {
    u64 entry = __atomic_load_n(&all->table[at], __ATOMIC_ACQUIRE);
    if (!entry) {
      if (own >= w->most_new) { stop_with(r, NO_MEMORY); return -1; }
      memcpy(r->states + own * W, p->w, sizeof p->w);  /* before others can see it */
      if (__atomic_compare_exchange_n(&all->table[at], &entry, fresh, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) break;
    }
    i64 state = (i64)(entry & NUMBER_MASK) - 1;
    if (entry >> NUMBER_BITS == p->hash >> NUMBER_BITS && same(words_of(all->team, state), p->w)) return known(w, state, p->faults, p->turn);
  }
  r->n++;
  r->faults_of[own] = (uint16_t)p->faults; w->places[own] = at; w->turns[own] = p->turn; w->numbers[own] = -1;
  note(w, w->provisional + own, p->faults, p->turn);
#if ASKS_STATES
  struct S s;
#if SYMMETRY
  if (r->y.on) unfolded(p->w, p->turn, &s); else
#endif
  unpack(p->w, &s);
  check_state(r, &s, own);
#endif
  return w->provisional + own;
}

static void begin_block(struct worker *w) {
  struct R *r = &w->r;
  const struct R *all = r->whole;
  r->n = r->transitions = r->moments_n = r->cut_n = r->waiting_n = r->all.n = w->finds_n = 0;
  w->done = (struct ends){0};
  r->depth = all->depth; r->level_end = all->level_end; r->most = all->most - all->n;
  memcpy(r->found_depth, all->found_depth, sizeof r->found_depth);
  memset(r->fired, 0, sizeof r->fired); memset(r->blocked, 0, sizeof r->blocked); memset(r->seen, 0, sizeof r->seen);
  memset(r->cuts, 0, sizeof r->cuts); memset(r->covered, 0, sizeof r->covered);
}

/* Expands chunks until the block is large enough. */
static void work(struct team *t, int number) {
  struct worker *w = t->workers[number];
  struct R *r = &w->r;
  struct timespec began;
  clock_gettime(CLOCK_MONOTONIC, &began);
  begin_block(w);
  while (!r->status && !atomic_load(&t->enough)) {
    BEFORE_CHUNK
    i64 chunk = atomic_fetch_add(&t->next, 1);
    if (chunk >= t->chunks_n) break;
    i64 first = t->from + chunk * CHUNK, last = first + CHUNK;
    expand_states(r, first, last < r->level_end ? last : r->level_end);
    t->chunks[chunk] = (struct chunk){number, {w->finds_n, r->moments_n, r->all.n, r->waiting_n, r->cut_n}};
    if (w->finds_n + r->all.n + r->waiting_n > BLOCK / t->workers_n || seconds_since(&began) > BLOCK_SECONDS) atomic_store(&t->enough, 1);
  }
  if (r->status) atomic_store(&t->stop, 1);
}

static void *in_thread(void *worker) {
  struct R *r = worker;
  struct team *t = r->whole->team;
  int number = 1;
  while (t->workers[number] != worker) number++;
  u64 round = 0;
  pthread_mutex_lock(&t->lock);
  for (;;) {
    while (t->round == round && !t->over) pthread_cond_wait(&t->begins, &t->lock);
    if (t->over) break;
    round = t->round;
    pthread_mutex_unlock(&t->lock);
    work(t, number);
    pthread_mutex_lock(&t->lock);
    if (!--t->running) pthread_cond_signal(&t->ends);
  }
  pthread_mutex_unlock(&t->lock);
  return 0;
}

/* ---- what is done in order ---- */

/* Numbers the states that a thread found in a chunk.  Places in the table are fetched some states ahead. */
static void number_states(struct team *t, struct worker *w, i64 last) {
  struct R *r = t->whole;
  for (i64 i = w->done.finds; i < last; i++) {
    if (i + AHEAD < last && w->finds[i + AHEAD].state >= (i64)PROVISIONAL) {
      i64 later = w->finds[i + AHEAD].state;
      __builtin_prefetch(&r->table[t->workers[OWNER(later)]->places[INDEX(later)]]);
    }
    i64 state = w->finds[i].state;
    int faults = w->finds[i].faults;
    if (state >= (i64)PROVISIONAL) {
      struct worker *owner = t->workers[OWNER(state)];
      i64 own = INDEX(state);
      state = owner->numbers[own];
      if (state < 0) {
        state = owner->numbers[own] = append_state(r, owner->r.states + own * W, owner->r.faults_of[own], w->finds[i].turn);
        if (state < 0) return;
        u64 *place = &r->table[owner->places[own]];
        *place = *place & ~NUMBER_MASK | (u64)(state + 1);
#if SYMMETRY
        if (N_FLAGS && r->y.on && owner->turns[own] != w->finds[i].turn) {  /* it stands there in other names than it was asked about */
          struct S s;
          unfolded(owner->r.states + own * W, w->finds[i].turn, &s);
          state_flags(r, &s, state);
          if (r->status) return;
        } else
#endif
        if (N_FLAGS) memcpy(r->flags + state * N_FLAGS, owner->r.flags + own * N_FLAGS, N_FLAGS);
      }
    }
    if (faults < r->faults_of[state]) r->faults_of[state] = (uint16_t)faults;
  }
}

static void add_moment(struct R *r, const struct moment *m) {
  r->moments = grown(r, r->moments, &r->moments_room, r->moments_n + 1, sizeof(struct moment));
  if (r->status) return;
  r->moments[r->moments_n++] = *m;
  r->found_depth[m->claim] = r->depth + 1;
}

static int by_source(const void *a, const void *b) {
  const struct moment *m = a, *n = b;
  return m->source != n->source ? (m->source < n->source ? -1 : 1) : m->claim - n->claim;
}

/* The states that break a claim, in the order of their numbers.  A claim is about states or about calls: with the others they have no order. */
static void add_state_moments(struct team *t) {
  struct R *r = t->whole;
  i64 first = r->moments_n;
  for (int i = 0; i < t->workers_n; i++) {
    const struct worker *w = t->workers[i];
    for (i64 k = 0; k < w->r.moments_n && !r->status; k++) {
      struct moment m = w->r.moments[k];
      if (m.event >= 0) continue;
      m.source = w->numbers[m.source];
      add_moment(r, &m);
    }
  }
  if (r->moments_n > first) qsort(r->moments + first, (size_t)(r->moments_n - first), sizeof(struct moment), by_source);
}

static void add_call_moments(struct R *r, const struct worker *w, i64 last) {
  for (i64 i = w->done.moments; i < last && !r->status; i++)
    if (w->r.moments[i].event >= 0) add_moment(r, &w->r.moments[i]);
}

static void add_edges(struct team *t, const struct worker *w, i64 last) {
  struct R *r = t->whole;
  const struct edges *from = &w->r.all;
  i64 first = w->done.edges, count = last - first;
  struct edges *to = &r->all;
  if (!count) return;
  edges_room(r, to, to->n + count);
  if (r->status) return;
  for (i64 i = 0; i < count; i++) {
    i64 target = from->target[first + i];
    to->target[to->n + i] = target < (i64)PROVISIONAL ? target : t->workers[OWNER(target)]->numbers[INDEX(target)];
  }
  memcpy(to->source + to->n, from->source + first, (size_t)count * sizeof *to->source);
  memcpy(to->event + to->n, from->event + first, (size_t)count * sizeof *to->event);
  memcpy(to->faults + to->n, from->faults + first, (size_t)count * sizeof *to->faults);
  memcpy(to->mask + to->n, from->mask + first, (size_t)count * sizeof *to->mask);
  to->n += count;
}

/* Waiting calls and cut states stand as they are. */
static void add_rest(struct R *r, const struct worker *w, const struct ends *ends) {
  i64 waits = ends->waits - w->done.waits, cuts = ends->cuts - w->done.cuts;
  r->waits = grown(r, r->waits, &r->waiting_room, r->waiting_n + waits, sizeof(struct waiting));
  r->cut_states = grown(r, r->cut_states, &r->cut_room, r->cut_n + cuts, sizeof(i64));
  if (r->status) return;
  if (waits) memcpy(r->waits + r->waiting_n, w->r.waits + w->done.waits, (size_t)waits * sizeof(struct waiting));
  if (cuts) memcpy(r->cut_states + r->cut_n, w->r.cut_states + w->done.cuts, (size_t)cuts * sizeof(i64));
  r->waiting_n += waits; r->cut_n += cuts;
}

/* What does not depend on the order. */
static void add_counts(struct R *r, const struct worker *w) {
  const struct R *own = &w->r;
  r->transitions += own->transitions;
  for (int i = 0; i < N_EVENTS; i++) { r->fired[i] |= own->fired[i]; r->blocked[i] |= own->blocked[i]; }
  for (int i = 0; i < N_CLAIMS; i++) r->seen[i] |= own->seen[i];
  for (int i = 0; i < N_CUTS; i++) r->cuts[i] += own->cuts[i];
  for (int i = 0; i <= N_LINES / 64; i++) r->covered[i] |= own->covered[i];
}

static void put_in_order(struct team *t, i64 chunks) {
  struct R *r = t->whole;
  for (i64 k = 0; k < chunks; k++) {
    const struct chunk *chunk = &t->chunks[k];
    struct worker *w = t->workers[chunk->worker];
    number_states(t, w, chunk->ends.finds);
    if (r->status) return;
    add_call_moments(r, w, chunk->ends.moments);
    add_edges(t, w, chunk->ends.edges);
    add_rest(r, w, &chunk->ends);
    if (r->status) return;
    w->done = chunk->ends;
  }
  add_state_moments(t);
  for (int i = 0; i < t->workers_n; i++) add_counts(r, t->workers[i]);
}

/* ---- blocks ---- */

/* Waits for the others, who are in their last chunks; whoever wants to stop the search is still listened to. */
static void wait_for_others(struct team *t) {
  pthread_mutex_lock(&t->lock);
  while (t->running) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 20 * 1000 * 1000;
    if (until.tv_nsec >= 1000 * 1000 * 1000) { until.tv_nsec -= 1000 * 1000 * 1000; until.tv_sec++; }
    if (pthread_cond_timedwait(&t->ends, &t->lock, &until) && t->running) {
      pthread_mutex_unlock(&t->lock);
      if (slow_poll(t->whole)) atomic_store(&t->stop, 1);
      pthread_mutex_lock(&t->lock);
    }
  }
  pthread_mutex_unlock(&t->lock);
}

/* Is what the threads found what a single thread would have found? */
static int usable_work(const struct team *t) {
  i64 states = t->whole->n;
  for (int i = 0; i < t->workers_n; i++) {
    if (t->workers[i]->r.status) return 0;
    states += t->workers[i]->r.n;
  }
  return states <= t->whole->most;
}

/* The places that were taken were empty before, and are again. */
static void throw_away(struct team *t) {
  for (int i = 0; i < t->workers_n; i++)
    for (i64 k = 0; k < t->workers[i]->r.n; k++) t->whole->table[t->workers[i]->places[k]] = 0;
}

/* The table must not grow while several write.  Answers whether it has room for a block: a single thread can do with less. */
static int prepare_table(struct team *t) {
  struct R *r = t->whole;
  u64 size = r->table_mask + 1;
  while ((u64)(r->n + 2 * BLOCK) * 4 > size * 3) size *= 2;
  if (size > r->table_mask + 1 && !bigger_table(r, size)) { r->status = RUNNING; return 0; }
  i64 room = ((i64)size / 4 * 3 - r->n) / t->workers_n;
  for (int i = 0; i < t->workers_n; i++) t->workers[i]->most_new = room < MOST_NEW ? room : MOST_NEW;
  return 1;
}

/* Expands some states from `from` on; answers the first that is left, which is `from` where a single thread has to go on. */
static i64 expand_block(struct team *t, i64 from) {
  struct R *r = t->whole;
  i64 chunks = (r->level_end - from + CHUNK - 1) / CHUNK;
  if (!prepare_table(t)) return from;
  r->source = t->from = from;
  t->chunks_n = chunks < MAX_CHUNKS ? chunks : MAX_CHUNKS;
  atomic_store(&t->next, 0); atomic_store(&t->enough, 0); atomic_store(&t->stop, 0);
  pthread_mutex_lock(&t->lock);
  t->round++; t->running = t->workers_n - 1;
  pthread_cond_broadcast(&t->begins);
  pthread_mutex_unlock(&t->lock);
  work(t, 0);
  wait_for_others(t);
  if (r->status || !usable_work(t)) { throw_away(t); return from; }
  chunks = atomic_load(&t->next);
  if (chunks > t->chunks_n) chunks = t->chunks_n;
  put_in_order(t, chunks);
  if (r->status) fill_table(r);  /* some places have a provisional number for ever */
  return from + chunks * CHUNK < r->level_end ? from + chunks * CHUNK : r->level_end;
}

/* ---- the team ---- */

static void free_worker(struct worker *w) {
  free_lists(&w->r);
  free(w->places); free(w->turns); free(w->numbers); free(w->finds); free(w);
}

static void free_team(struct team *t) {
  if (!t) return;
  for (int i = 0; i < MAX_THREADS && t->workers[i]; i++) free_worker(t->workers[i]);
  pthread_mutex_destroy(&t->lock); pthread_cond_destroy(&t->begins); pthread_cond_destroy(&t->ends);
  free(t);
}

/* Others read the states of a worker, so they have to stay where they are. */
static struct worker *new_worker(struct R *r, int number) {
  struct worker *w = calloc(1, sizeof *w);
  if (!w) return 0;
  struct R *own = &w->r;
  own->whole = r; own->g = r->g; own->keep_edges = r->keep_edges;
  own->budget = INT64_MAX;  /* blocks are small, and what is as large as the search is asked for by it */
#if SYMMETRY
  own->y = r->y;
#endif
  w->provisional = (i64)PROVISIONAL | (i64)number << PROVISIONAL_BITS;
  own->states = malloc(MOST_NEW * W * sizeof(u64));
  own->faults_of = malloc(MOST_NEW * sizeof(uint16_t));
  own->flags = malloc(MOST_NEW * N_FLAGS + 1);
  w->places = malloc(MOST_NEW * sizeof(u64));
  w->turns = malloc(MOST_NEW * sizeof(u64));
  w->numbers = malloc(MOST_NEW * sizeof(i64));
  if (own->states && own->faults_of && own->flags && w->places && w->turns && w->numbers) return w;
  free_worker(w);
  return 0;
}

static struct team *team_of(struct R *r) {
  if (r->team) return r->team;
  struct team *t = calloc(1, sizeof *t);
  if (!t) return 0;
  t->whole = r;
  pthread_mutex_init(&t->lock, 0); pthread_cond_init(&t->begins, 0); pthread_cond_init(&t->ends, 0);
  return r->team = t;
}

/* Begins the threads of a level, as many as can be had; answers whether there is more than the one that is there anyway. */
static int begin_threads(struct team *t, i64 wanted) {
  pthread_attr_t attributes;
  if (wanted > MAX_THREADS) wanted = MAX_THREADS;
  t->over = t->workers_n = 0; t->round = 0;
  if (pthread_attr_init(&attributes)) return 0;
  pthread_attr_setstacksize(&attributes, 8 << 20);  /* what the main thread has: bodies of calls keep their walks there */
  for (int i = 0; i < wanted; i++) {
    if (!t->workers[i] && !(t->workers[i] = new_worker(t->whole, i))) break;
    t->workers[i]->r.status = RUNNING;
    if (i && pthread_create(&t->workers[i]->thread, &attributes, in_thread, t->workers[i])) break;
    t->workers_n++;
  }
  pthread_attr_destroy(&attributes);
  return t->workers_n > 1;
}

static void end_threads(struct team *t) {
  pthread_mutex_lock(&t->lock);
  t->over = 1;
  pthread_cond_broadcast(&t->begins);
  pthread_mutex_unlock(&t->lock);
  for (int i = 1; i < t->workers_n; i++) pthread_join(t->workers[i]->thread, 0);
}

/* Expands the states first..last-1, which are one level. */
void luo_level(struct R *r) {
  i64 from = r->first;
  r->level_end = r->last;
  struct team *t = r->threads > 1 && r->last - r->first >= SMALL_LEVEL ? team_of(r) : 0;
  if (t) {
    int several = begin_threads(t, r->threads);
    r->here = 0; r->npending = 0;
    for (i64 next; several && from < r->last && !r->status; from = next) {
      r->source = from;
      safe_point(r);
      if ((next = expand_block(t, from)) == from) break;
    }
    end_threads(t);
    if (!several) { free_team(t); r->team = 0; }
  }
  if (!r->status) expand_states(r, from, r->last);
}
