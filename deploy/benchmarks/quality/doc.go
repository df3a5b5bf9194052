// Command quality asks how much the constants of the policy "measured" matter,
// and whether others would do better where they were not chosen. It replays
// recorded load (see cube simulate) under the policy with other values.
//
//	go run ./deploy/benchmarks/quality sensitivity --trace pl --trace bb
//	go run ./deploy/benchmarks/quality cross --trace pl --trace bb --try changed=0.15 --try changed=0.6
//
//	go run ./deploy/benchmarks/quality peers --trace pl --trace bb --resample 1 --resample 2
//
// sensitivity halves and doubles each constant. cross chooses among settings on
// some of the schedules, and judges what it chose on others: chosen on the odd
// ones it is judged on the even, on one trace on the other. A setting that was
// chosen for how it did is flattered by what it was chosen on; what is gained
// elsewhere is what it is worth.
//
// peers compares the policy as it is with the others, schedule by schedule.
//
// With --resample the schedules are other ones, drawn from the trace, on which
// nothing was ever chosen.
//
// All differences are paired: the same schedules, the same draws of the times at
// which nodes are read, the mean over several of these; their error is that of
// the mean over the schedules.
package main
