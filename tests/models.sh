#!/usr/bin/env bash
# Shows that the loom models of the wait queue can fail: puts one bug after the other into a copy of the engine and
# expects the model made for it to find it. By hand; takes some minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
export RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR="$PWD/target/loom-bugs"

# bug FILE OLD NEW MODEL
bug() {
    rm -rf "${copy:?}"/*
    cp -r Cargo.toml Cargo.lock crates "$copy"/
    python3 - "$copy/crates/raddle/src/$1" "$2" "$3" <<'PY'
import sys
path, old, new = sys.argv[1:]
text = open(path).read()
assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path}"
open(path, "w").write(text.replace(old, new))
PY
    (cd "$copy" && cargo test --quiet --release -p raddle --lib --no-run 2>/dev/null)
    if (cd "$copy" && timeout 120 cargo test --quiet --release -p raddle --lib "$4" >/dev/null 2>&1); then
        echo "NOT caught by $4: $2 -> $3"
        return 1
    fi
    echo "caught by $4"
}

bug wait/gate.rs 'if !queued && K::free(word) {' 'if false && !queued && K::free(word) {' a_time_out_passes_the_wake_on
bug wait/gate.rs 'if K::free(now) && now & WOKEN == 0 {' 'if false && K::free(now) {' one_release_of_two_permits_serves_two_waiters
bug wait/gate.rs 'let mine = if was_woken { word & !WOKEN } else { word };' 'let mine = word;' no_wake_is_lost_and_nobody_shares_a_lock
bug wait/gate.rs '(false, false) => mine | WAITERS,' '(false, false) => mine,' barging_strands_nobody
bug wait/gate.rs '            self.made().holds.end();
' '' a_waiter_tells_one_hold_from_the_next
bug wait/queue.rs '        left
' '        true
' a_notification_reaches_exactly_one_waiter
bug wait/crowd.rs '        self.0.pass_on();' '' a_crowd_is_called_to_its_last_member
bug wait/crowd.rs 'fetch_add(1, Ordering::AcqRel)' 'fetch_add(1, Ordering::Relaxed)' a_crowd_is_called_to_its_last_member
bug wait/queue.rs '        waiter.pass_on();
' '' a_member_that_never_slept_passes_on
bug stop/token.rs '            drop(listeners);
            listener(stopped);
            return None;' '            return None;' a_callback_is_called_once
bug stop/token.rs '        inner.waiters.wake(usize::MAX);' '' who_waits_for_a_stop_hears_of_it
bug stop/token.rs 'token.listen(Box::new(move |_| parker.unpark()), true);' 'drop(parker);' a_stop_wakes_a_thread_on_its_way
bug wait/turnstile.rs '        self.settle(line, |word| word);
        took' '        drop(line);
        took' a_fair_lock_serves
bug wait/turnstile.rs 'if word & LOOK != 0 {' 'if word & LOOK > LOOK {' a_lock_for_writers_first_serves
bug wait/turnstile.rs '        line.take_out(waiter);
        self.settle(line, |word| word);' '        line.take_out(waiter);' a_writer_that_gives_up_opens_the_door
bug wait/turnstile.rs '        places.sort_by_key(|place| !ask(place).inside);' '' upgrades_before_a_writer
bug sync/rwlock.rs 'if !self.right.try_acquire(serial, true) {' 'if self.right.holder() == Some(serial) {' two_upgradable_readers
bug wait/turnstile.rs '(_link, _asleep) = (Link(&waiter), Asleep::new(&waiter, self))' '_asleep = Asleep::new(&waiter, self)' a_writer_that_leaves_calls_all_readers
bug wait/turnstile.rs 'Ordering::Relaxed);
        self.settle(line, |word| word);' 'Ordering::Relaxed);
        drop(line);' more_places_reach_all
bug sync/readers.rs '            more.push(serial);
            self.more_len.store(more.len(), Ordering::Release);' '            more.push(serial);' the_table_of_readers
bug sync/readers.rs 'first.load() != 0 || first.exchange(0, serial, Ordering::Release).is_err()' 'first.load() != 0 || (first.store(serial), false).1' the_table_of_readers
bug seam/os/model.rs '*self.token.lock().unwrap() = true;' 'let _ = self.token.lock().unwrap();' a_nudge_at_the_owners_end_is_seen
bug queue/raw.rs 'Ok((_, wake)) => wake.1 = inside.getter(),' 'Ok(_) => {}' two_items_reach_two_getters
bug queue/raw.rs '            wake.1 = inside.getter();
            (item, wake)' '            (item, wake)' a_getter_that_gives_up_passes_the_wake_on
bug queue/raw.rs 'Some(item) => Ok((item, Wake(self.putter(bound), None))),' 'Some(item) => Ok((item, Wake(None, None))),' room_reaches_each_putter
bug queue/raw.rs 'Ok(wake) => wake.1 = inside.putter(self.bound()),' 'Ok(_) => {}' a_wider_bound_serves_all_putters
bug queue/raw.rs '            (put, inside.putter(self.bound()))' '            (put, None)' a_putter_that_gives_up_passes_the_wake_on
bug queue/raw.rs '(items, inside.call_all())
        });
        woken.wake();
        items
    }

    /// Takes everything out for good.' '(items, Popped::default())
        });
        woken.wake();
        items
    }

    /// Takes everything out for good.' the_end_reaches
bug queue/raw.rs '        })?;
        joiners.wake();' '        })?;
        let _ = joiners;' the_last_task_wakes_the_joiner
bug queue/raw.rs '(inside.items.take(), inside.call_all())' '(inside.items.take(), Popped::default())' a_move_reaches_all
bug queue/producers.rs '    match place.compare_exchange(0, serial, Ordering::Relaxed, Ordering::Relaxed) {' '    let there = place.load(Ordering::Relaxed);
    if there == 0 {
        place.store(serial, Ordering::Relaxed);
    }
    match if there == 0 { Ok(0) } else { Err(there) } {' both_of_two_new_producers
bug executor/future.rs 'Phase::Pending => Some(Phase::Running),' 'Phase::Pending | Phase::Cancelled => Some(Phase::Running),' a_future_is_finished_or_cancelled_and_wakes_its_waiter
bug executor/future.rs 'if Phase::of(word) == Phase::Finishing {' 'if false {' a_guard_comes_before_or_after_a_completion
bug executor/raw_pool.rs 'let over = shop.closed && shop.jobs.is_empty();' 'let over = shop.closed;' a_job_that_was_taken_finds_a_worker
bug executor/raw_pool.rs 'let something = !shop.jobs.is_empty() ||' 'let something =' no_job_is_left_to_a_sleeping_worker
bug executor/raw_pool.rs '|| shop.nudges != self.nudges;' ';' a_closed_pool_does_what_it_took
bug executor/raw_pool.rs '            let popped = shop.rouse(&self.pool.bench);
            drop(shop);
            popped.wake();
            return' '            drop(shop);
            return' a_woken_worker_wakes_the_next
bug executor/raw_pool.rs 'shop.closed |= shop.jobs.is_empty();' 'shop.closed = true;
        shop.jobs.clear();' a_job_is_refused_or_done
bug thread/carrier.rs '                limit = None; // it was taken: its errand is on the way' '                return None;' a_job_is_done_whether_the_carrier
bug thread/carrier.rs '            self.give(Box::new(drop));' '' a_carrier_that_was_reserved_for_nothing
bug timer/mod.rs '            if next.is_none() && (hurry || lingered) {' '            if next.is_none() && (hurry || lingered) {
                drop(inside);
                inside = self.inside.lock();' an_entry_is_never_left_without_a_thread
bug timer/heap.rs '            let Reverse((_, key)) = self.moments.pop()?;
            if let Some(deed) = self.deeds.remove(&key) {' '            let Reverse((_, key)) = self.moments.pop()?;
            if let Some(deed) = self.deeds.remove(&Key(key.0 + 1)) {' an_entry_is_done_or_cancelled
bug timer/crew.rs '        self.rest(&mut line);
        let work = line.take(Time::now());' '        let work = line.take(Time::now());
        drop(line);
        let mut line = crew.line.lock();
        if work.is_none() { self.rest(&mut line) } else if std::mem::take(&mut self.entering) { line.entering -= 1 } else { line.working -= 1 }' what_is_due_is_never_left
bug timer/job.rs '        if step.over {
            self.waiting.wake(usize::MAX);' '        if step.over && step.begin > 0 {
            self.waiting.wake(usize::MAX);' a_job_ends_once
