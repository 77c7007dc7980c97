/* door, scope one: 1 starting point.  Made by `luocheck export`.

   States:       spin -a -o2 MODEL && cc -O1 -DSAFETY -o pan pan.c && ./pan -m1000000
   One claim:    spin -a -o2 -DPROPERTY=NAME MODEL, then the same; an error is a run that breaks it (or reaches it)
   All claims:   spin -a -o2 -DREPORT MODEL && cc -O1 -DSAFETY -DPRINTF -o pan pan.c && ./pan -m1000000 | sort -u

   Left out: lock_order
*/
#define NONE 255  /* no element, or nothing yet */
#define r_OK 0
#define r_PANIC 1
#define r_EALREADY 2
#define r_EBUSY 3
#define r_EIO 4
#define r_EPERM 5
#define CLAIM_undone 1
#define CLAIM_shut_when_locked 2
#define CLAIM_locked 3
#define CLAIM_use_after_free 4
#define CLAIM_null_dereference 5
#define CLAIM_count_range 6
#define CLAIM_stale_iteration 7
#define CLAIM_held_at_return 8
#define SPEC_ERROR assert(false)
#ifdef PROPERTY
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#if JOIN(CLAIM_, PROPERTY) == 0
#error the model does not have this claim
#endif
#define ASKED(claim) (claim == JOIN(CLAIM_, PROPERTY))
#define BROKEN(claim, text) assert(!ASKED(claim))
#elif defined(REPORT)
#define ASKED(claim) true
#define BROKEN(claim, text) printf(text)
#else
#define ASKED(claim) false
#define BROKEN(claim, text) skip
#endif

/* ---- state ---- */
byte start;  /* 0: nothing is chosen yet */
byte s_open;  /* volatile bool */
byte s_locked_by;  /* volatile Person? */

/* ---- a call that is made: all of this is 0 or NONE between calls ---- */
byte err;
byte lab;
int item_;
byte k_;
short at_;
byte x1 = NONE;
byte o_open;  /* before the call */
byte o_locked_by;  /* before the call */

inline check_states() {
   d_step {
      if
      :: (ASKED(CLAIM_shut_when_locked) && !(!(s_locked_by != NONE) || !s_open)) ->
         BROKEN(CLAIM_shut_when_locked, "shut_when_locked is broken\n")
      :: else
      fi;
      if
      :: (ASKED(CLAIM_locked) && (s_locked_by != NONE)) ->
         BROKEN(CLAIM_locked, "locked is reached\n")
      :: else
      fi;
      skip
   }
}
inline after_reboot() {
   d_step {
      s_open = 0;
      s_locked_by = NONE;
      skip
   }
}
inline nothing_yet() {
   d_step {
      start = 0;
      s_open = 0;
      s_locked_by = 0;
      skip
   }
}
active proctype luo() {
end:  /* that nothing more can happen is no error */
   do
   :: atomic {  /* the beginning */
      start == 0 ->
      select(start : 1 .. 1);
      d_step {
         s_locked_by = NONE;
         if
         :: start == 1 ->  skip
         fi
      };
      skip;
      L1: skip;
      d_step {
         err = 0; lab = 0; at_ = 0;
         skip
      };
      check_states();
      goto L_start_over;
      L_start_over: skip
   }
   :: atomic {  /* ioctl OPEN(x1: p), line 10 */
      start != 0 ->
      if
      :: x1 = 0
      fi;
      d_step {
         o_open = s_open;
         o_locked_by = s_locked_by;
         skip
      };
      if
      :: (s_locked_by != NONE) ->
         err = r_EBUSY; lab = NONE;
         goto L2;
      :: else
      fi;
      s_open = 1;
      if
      :: true ->
         err = r_EIO; lab = NONE;
         goto L4;
      :: true
      fi;
      err = r_OK; lab = NONE;
      L_OPEN_returned: skip;
      d_step {
         if
         :: (err == r_EIO) ->
            if
            :: (ASKED(CLAIM_undone) && !((s_open == o_open) && (s_locked_by == o_locked_by))) ->
               BROKEN(CLAIM_undone, "undone is broken\n")
            :: else
            fi;
            skip
         :: else
         fi;
         skip
      };
      d_step {
         err = 0; lab = 0; at_ = 0;
         x1 = NONE;
         o_open = 0;
         o_locked_by = 0;
         skip
      };
      check_states();
      goto L_OPEN_over;
         L3: skip;
         goto L_OPEN_returned;
         L2: skip;
         goto L3;
         L4: skip;
         goto L3;
      L_OPEN_over: skip
   }
   :: atomic {  /* ioctl LOCK(x1: p), line 15 */
      start != 0 ->
      if
      :: x1 = 0
      fi;
      if
      :: (s_locked_by != NONE) ->
         err = r_EALREADY; lab = NONE;
         goto L5;
      :: else
      fi;
      s_locked_by = x1;
      err = r_OK; lab = NONE;
      L_LOCK_returned: skip;
      d_step {
         skip
      };
      d_step {
         err = 0; lab = 0; at_ = 0;
         x1 = NONE;
         skip
      };
      check_states();
      goto L_LOCK_over;
         L6: skip;
         goto L_LOCK_returned;
         L5: skip;
         goto L6;
      L_LOCK_over: skip
   }
   :: atomic {  /* env LEAVE(x1: p), line 19 */
      start != 0 ->
      if
      :: x1 = 0
      fi;
      if
      :: (s_locked_by != x1) ->
         err = r_EPERM; lab = NONE;
         goto L7;
      :: else
      fi;
      s_locked_by = NONE;
      err = r_OK; lab = NONE;
      L_LEAVE_returned: skip;
      d_step {
         skip
      };
      d_step {
         err = 0; lab = 0; at_ = 0;
         x1 = NONE;
         skip
      };
      check_states();
      goto L_LEAVE_over;
         L8: skip;
         goto L_LEAVE_returned;
         L7: skip;
         goto L8;
      L_LEAVE_over: skip
   }
   od
}
