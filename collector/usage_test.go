package collector

import (
	"math"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// simulated is a CPU's counters in ticks of 10 ms, as a function of time.
type simulated struct {
	start time.Time
	busy  func(elapsed time.Duration) float64 // seconds busy since start
	cpus  int
}

func (s *simulated) read(now time.Time) cpuReading {
	elapsed := now.Sub(s.start)
	busy := s.busy(elapsed)
	tick := func(seconds float64) float64 { return math.Floor(seconds*100) / 100 }
	r := cpuReading{cpus: s.cpus, online: strconv.Itoa(s.cpus)}
	r.times[modeUser] = 1000 + tick(busy)
	r.times[modeIdle] = 5000 + tick(elapsed.Seconds()*float64(s.cpus)-busy)
	return r
}

// psutil#1703, gopsutil#202: the second caller read 0, and cadvisor#1989: a sampler
// out of step showed a sawtooth. Scrapers at 1, 5, 15 and 60 s and one that hammers at 100 a second all see the
// true busy share over the window that is told to them. With one shared last
// sample each would see an interval that the others cut short.
func TestScrapersDoNotDisturbEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		// 30 s at 25 %, then 30 s at 75 % of two CPUs, again and again.
		machine := &simulated{start: start, cpus: 2, busy: func(e time.Duration) float64 {
			minutes := math.Floor(e.Minutes())
			rest := e.Seconds() - 60*minutes
			return 2 * (30*minutes + 0.25*min(rest, 30) + 0.75*max(0, rest-30))
		}}
		u := &usage{window: DefaultWindow, minWindow: DefaultMinWindow}
		var group sync.WaitGroup
		for _, every := range []time.Duration{10 * time.Millisecond, time.Second, 5 * time.Second, 15 * time.Second, time.Minute} {
			group.Go(func() {
				seen := 0
				tick := time.NewTicker(every)
				defer tick.Stop()
				for now := range tick.C {
					if now.Sub(start) > 5*time.Minute {
						break
					}
					_, got, known := u.observe(now, machine.read(now))
					if !known {
						continue
					}
					seen++
					checkShare(t, machine, now, got)
					if age := now.Sub(start); age > 20*time.Second && (got.window-DefaultWindow).Abs() > 500*time.Millisecond {
						t.Errorf("every %v, at %v: a window of %v", every, age, got.window)
					}
				}
				if seen == 0 {
					t.Errorf("the scraper at %v never saw a ratio", every)
				}
			})
		}
		group.Wait()
		if n := len(u.readings); n > remembered+2 {
			t.Errorf("%d readings are remembered", n)
		}
	})
}

// checkShare compares with the machine's true share over the window, within a
// tick at either end of each counter.
func checkShare(t *testing.T, machine *simulated, now time.Time, got cpuUsage) {
	t.Helper()
	end := now.Sub(machine.start)
	truth := (machine.busy(end) - machine.busy(end-got.window)) / (got.window.Seconds() * float64(machine.cpus))
	if tolerance := 0.04 / (got.window.Seconds() * float64(machine.cpus)); math.Abs(got.ratio-truth) > tolerance {
		t.Errorf("at %v over %v: %v; the truth is %v", end, got.window, got.ratio, truth)
	}
}

// node_exporter#3550 wants just this: the share since the last scrape, ready. One
// scraper alone at any interval has its own interval, or the window.
func TestLoneScraper(t *testing.T) {
	for _, every := range []time.Duration{time.Second, 7 * time.Second, 15 * time.Second, time.Minute} {
		machine := &simulated{start: time.Unix(0, 0), cpus: 4, busy: func(e time.Duration) float64 { return 2 * e.Seconds() }}
		u := &usage{window: DefaultWindow, minWindow: DefaultMinWindow}
		for i := range 100 {
			now := machine.start.Add(time.Duration(i) * every)
			_, got, known := u.observe(now, machine.read(now))
			if known != (i > 0) {
				t.Fatalf("every %v, reading %d: known is %v", every, i, known)
			}
			if known && math.Abs(got.ratio-0.5) > 0.02 {
				t.Errorf("every %v, reading %d: %+v", every, i, got)
			}
		}
	}
}

func at(seconds float64) time.Time { return time.Unix(0, 0).Add(time.Duration(seconds * 1e9)) }

func reading(online int, user, idle, iowait float64) cpuReading {
	r := cpuReading{cpus: online, online: strconv.Itoa(online)}
	r.times[modeUser], r.times[modeIdle], r.times[modeIowait] = user, idle, iowait
	return r
}

// of is a reading of these CPUs.
func of(online string, user, idle float64) cpuReading {
	r := reading(2, user, idle, 0)
	r.online = online
	return r
}

func TestUsageEdges(t *testing.T) {
	type step struct {
		at    float64
		r     cpuReading
		known bool
		ratio float64
	}
	for name, steps := range map[string][]step{
		"absent until there is an interval": {
			{0, reading(2, 10, 10, 0), false, 0}, {0.5, reading(2, 11, 10, 0), false, 0}, {1, reading(2, 11, 11, 0), true, 0.5},
		},
		"no tick has passed": {
			{0, reading(1, 10, 10, 0), false, 0}, {2, reading(1, 11, 11, 0), true, 0.5}, {2, reading(1, 11, 11, 0), true, 0.5},
			{30, reading(1, 11, 11, 0), true, 0.5}, // a machine that was suspended: its counters stood still
		},
		// psutil#2172: after a night asleep the share is that of what the
		// counters counted, not of the night.
		"the clock jumps": {
			{0, reading(1, 10, 10, 0), false, 0}, {10, reading(1, 15, 15, 0), true, 0.5}, {36000, reading(1, 16, 18, 0), true, 0.25},
			{36010, reading(1, 17, 27, 0), true, 0.1},
		},
		// node_exporter#2604, procfs#84: the counters of other CPUs.
		"a CPU is added":      {{0, reading(1, 10, 10, 0), false, 0}, {5, reading(1, 15, 10, 0), true, 1}, {6, reading(2, 15, 20, 0), false, 0}, {8, reading(2, 16, 23, 0), true, 0.25}},
		"a CPU is removed":    {{0, reading(2, 10, 10, 0), false, 0}, {5, reading(2, 15, 10, 0), true, 1}, {6, reading(1, 15, 12, 0), false, 0}},
		"one CPU for another": {{0, of("0,1,", 10, 10), false, 0}, {5, of("0,1,", 15, 10), true, 1}, {6, of("0,2,", 20, 30), false, 0}, {8, of("0,2,", 21, 33), true, 0.25}},
		"iowait steps back": {
			{0, reading(1, 10, 10, 5), false, 0}, {4, reading(1, 11, 13, 4.5), true, 0.25},
		},
		"the counters begin anew": {{0, reading(1, 1000, 1000, 0), false, 0}, {5, reading(1, 1005, 1000, 0), true, 1}, {6, reading(1, 1, 1, 0), false, 0}, {8, reading(1, 1, 3, 0), true, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			u := &usage{window: DefaultWindow, minWindow: DefaultMinWindow}
			for i, s := range steps {
				_, got, known := u.observe(at(s.at), s.r)
				if known != s.known || known && math.Abs(got.ratio-s.ratio) > 1e-9 {
					t.Errorf("step %d: got %+v, %v; want %v, %v", i, got, known, s.ratio, s.known)
				}
			}
		})
	}
}

// node_exporter#1372, #1903: idle and iowait step back now and then, and each time
// looks like a restart to who takes a rate. The counters on the page never go backwards, though the kernel's do.
func TestCountersNeverStepBack(t *testing.T) {
	u := &usage{window: DefaultWindow, minWindow: DefaultMinWindow}
	u.observe(at(0), reading(1, 10, 10, 5))
	times, _, _ := u.observe(at(1), reading(1, 11, 9.5, 4))
	if times[modeUser] != 11 || times[modeIdle] != 10 || times[modeIowait] != 5 {
		t.Errorf("got %v", times)
	}
}

// telegraf#2871: after a live migration the share was far beyond 100 %. A machine
// restored or migrated counts from anew; the page's counters go on.
func TestCountersGoOnWhereTheKernelsBeginAnew(t *testing.T) {
	u := &usage{window: DefaultWindow, minWindow: DefaultMinWindow}
	u.observe(at(0), reading(1, 1000, 1000, 0))
	u.observe(at(5), reading(1, 2, 3, 0))
	times, _, _ := u.observe(at(10), reading(1, 4, 6, 0))
	if times[modeUser] != 1002 || times[modeIdle] != 1003 {
		t.Errorf("user %v, idle %v; want 1002 and 1003", times[modeUser], times[modeIdle])
	}
}

// The book reckoned usage since boot: a machine idle for days and busy now
// looked idle.
func TestUsageIsADeltaNotSinceBoot(t *testing.T) {
	u := &usage{window: DefaultWindow, minWindow: DefaultMinWindow}
	u.observe(at(0), reading(1, 100, 1e6, 0))
	if _, got, known := u.observe(at(10), reading(1, 110, 1e6, 0)); !known || got.ratio != 1 {
		t.Errorf("got %+v, %v", got, known)
	}
}

// In the book both samples shared one pointer, so that usage was always 0.
func TestSamplesAreNotShared(t *testing.T) {
	dir := copyMachine(t)
	now := time.Unix(0, 0)
	c := newCollector(t, Config{ProcPath: dir, Now: func() time.Time { return now }})
	if _, err := c.Stats(); err != nil {
		t.Fatal(err)
	}
	now = now.Add(10 * time.Second)
	writeFile(t, dir, "stat", withStat(t, "cpu  1500 200 300 8500 400 10 20 30 50 5"))
	stats, err := c.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if usage, err := stats.CpuUsage(); err != nil || usage != 0.5 {
		t.Errorf("got %v, %v; want 0.5", usage, err)
	}
}
