/// A process whose threads run one at a time, in an order that a seed decides, by a clock that jumps.
///
/// The program that links this defines what its threads wait with: pthread's conditions and mutexes, `poll`, the sleeps, libdispatch's
/// semaphores, and the clocks. Functions of a program go before those of the libraries it is linked with, so the code that runs here
/// is the shipped one. A thread gives the baton away where it waits, and now and then where it takes a lock; who has it next is drawn.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Begins a simulation. The caller becomes the world's thread, process 0; there is one simulation at a time.
void sim_begin(uint64_t seed);

/// Ends it: threads that are left never run again.
void sim_end(void);

/// Nanoseconds since some moment, as all clocks tell it.
int64_t sim_now(void);

/// What the seed says next.
uint64_t sim_random(void);

/// What it says from here on is another seed's.
void sim_reseed(uint64_t seed);

/// What came before, as one number: two runs of a seed have the same.
uint64_t sim_trace(void);

/// How often somebody has given the baton away.
uint64_t sim_steps(void);

/// Mixes something into `sim_trace`.
void sim_note(uint64_t what);

/// As `fork`, which Swift does not show: a seed is tried in a process of its own, so that what earlier ones have left behind decides
/// nothing.
int sim_fork(void);

/// In a build that counts what was run: writes the counts into the directory that SIMULATE_COUNTS names, as the end of a process does.
void sim_write_profile(void);

/// Keeps the calling process to one of the processors that it may use, each slot to another: its threads run one at a time, and to hand
/// over to one on another processor takes many times as long.
void sim_pin(int slot);

// Processes

/// The simulated process that the calling thread is of.
int sim_process(void);

/// Runs something as the first thread of a process.
void sim_spawn(int process, void (*body)(void *), void *argument);

/// As SIGKILL: none of its threads ever runs again.
void sim_kill(int process);

/// As SIGSTOP and SIGCONT.
void sim_freeze(int process, bool is_frozen);

/// How many threads a process has.
int sim_threads(int process);

// Waiting, for what simulates a blocking call

/// Lets others run.
void sim_pause(void);

/// Waits until somebody wakes the place, or until a moment; INT64_MAX is never.
///
/// Returns false if the moment has come.
bool sim_wait(const void *place, int64_t deadline);

/// Wakes all who wait at the place.
void sim_wake(const void *place);

/// While the caller only looks on: it is not interrupted, and clocks stand still. Calls may nest.
void sim_hush(bool is_hushed);

// The world

/// Has the world's thread call something at a moment. Those of one moment are called in the order in which they were asked for.
void sim_at(int64_t moment, void (*call)(void *), void *argument);

/// On the world's thread: lets all run, with what was asked for by `sim_at`, until a moment or until `sim_stop`.
void sim_run(int64_t until);

/// Ends the world's `sim_run`.
void sim_stop(void);

/// What every thread waits for, for a simulation in which nothing happens any more.
void sim_describe(void (*line)(const char *));
