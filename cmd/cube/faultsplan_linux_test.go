package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"time"

	"cube/cmd/cube/faults"
)

// fault is one thing that goes wrong for a while.
type fault struct {
	what         string
	after, lasts time.Duration
	do, undo     func() error
	blurs        bool // the manager cannot keep its own times meanwhile
}

// plan is what goes wrong in a round.
type plan []*fault

func (p plan) String() string {
	var texts []string
	for _, f := range p {
		texts = append(texts, fmt.Sprintf("%s from %.1f to %.1f s", f.what, f.after.Seconds(), (f.after+f.lasts).Seconds()))
	}
	return strings.Join(texts, ", ")
}

// happen lets the fault happen, and takes it back. It returns once all is well
// again.
func (f *fault) happen(ctx context.Context) error {
	waitUntil(ctx, f.after)
	err := f.do()
	waitUntil(ctx, f.lasts)
	return errors.Join(err, f.undo())
}

// plan draws what goes wrong in the next round: one to three things, some
// shorter than the node timeout and some longer.
func (r *trial) plan() plan {
	const latest = time.Second // that a fault begins
	var p plan
	for range 1 + r.random.IntN(3) {
		f := r.draw()
		f.after = time.Duration(r.random.Int64N(int64(latest)))
		f.lasts = 200*time.Millisecond + time.Duration(r.random.Int64N(int64(faultTimeout/3)))
		if r.random.IntN(6) == 0 {
			f.lasts += faultTimeout
		}
		p = append(p, f)
	}
	return p
}

// draw draws one thing that goes wrong.
func (r *trial) draw() *fault {
	m := r.workers[r.random.IntN(len(r.workers))]
	if r.random.IntN(4) == 0 {
		m = r.manager
	}
	kinds := []func(*member) *fault{r.kill, r.freeze, r.slow, r.cut, r.delay, r.fillDisk, r.drain}
	if faults.ClocksStep {
		kinds = append(kinds, r.stepClock)
	}
	return kinds[r.random.IntN(len(kinds))](m)
}

// kill is SIGKILL, and a start some time later.
func (r *trial) kill(m *member) *fault {
	var release func()
	return &fault{
		what: "kill -9 " + m.name,
		do:   func() error { release = m.kill(); return nil },
		undo: func() error { release(); return nil },
	}
}

// freeze stops a program as SIGSTOP does.
func (r *trial) freeze(m *member) *fault {
	return &fault{
		what: "SIGSTOP " + m.name,
		do:   func() error { m.signal(syscall.SIGSTOP); return nil },
		undo: func() error { m.signal(syscall.SIGCONT); return nil },
	}
}

// slow gives a program a fifth of the time only.
func (r *trial) slow(m *member) *fault {
	const stopped, running = 200 * time.Millisecond, 50 * time.Millisecond
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	return &fault{
		what:  "slow " + m.name,
		blurs: m == r.manager,
		do: func() error {
			go func() {
				defer close(done)
				defer m.signal(syscall.SIGCONT)
				for ctx.Err() == nil {
					m.signal(syscall.SIGSTOP)
					waitUntil(ctx, stopped)
					m.signal(syscall.SIGCONT)
					waitUntil(ctx, running)
				}
			}()
			return nil
		},
		undo: func() error { cancel(); <-done; return nil },
	}
}

// cut cuts the link between a worker and the manager, or between the clients and
// the manager, on the way there, on the way back, or both.
func (r *trial) cut(m *member) *fault {
	from, to, name := r.link(m)
	ways := r.random.IntN(3)
	f := &fault{what: "cut both ways " + name}
	switch ways {
	case 1:
		f.what = "cut from " + name
	case 2:
		f.what = "cut to " + name
	}
	set := func(l faults.Link) error {
		if ways != 2 {
			r.network.Set(from, to, l)
		}
		if ways != 1 {
			r.network.Set(to, from, l)
		}
		return nil
	}
	f.do = func() error { return set(faults.Link{Cut: true}) }
	f.undo = func() error { return set(faults.Link{}) }
	return f
}

// delay slows such a link, both ways.
func (r *trial) delay(m *member) *fault {
	from, to, name := r.link(m)
	by := time.Duration(10+r.random.IntN(300)) * time.Millisecond
	set := func(l faults.Link) error {
		r.network.Set(from, to, l)
		r.network.Set(to, from, l)
		return nil
	}
	return &fault{
		what: fmt.Sprintf("%v more each way %s", by, name),
		do:   func() error { return set(faults.Link{Delay: by}) },
		undo: func() error { return set(faults.Link{}) },
	}
}

// link is a member's link to the manager; the manager's is that of the clients.
func (r *trial) link(m *member) (from, to *faults.Host, name string) {
	if m == r.manager {
		return r.outside, r.manager.host, "clients"
	}
	return m.host, r.manager.host, m.name
}

// fillDisk takes all that is left of a program's disk.
func (r *trial) fillDisk(m *member) *fault {
	return &fault{
		what: "full disk of " + m.name,
		do:   func() error { return m.fill(true) },
		undo: func() error { return m.fill(false) },
	}
}

// drain has a worker's tasks moved elsewhere, and lets it take tasks again. The
// operator asks until somebody hears it.
func (r *trial) drain(m *member) *fault {
	if m == r.manager {
		m = r.workers[r.random.IntN(len(r.workers))]
	}
	within := time.Duration(r.random.IntN(4000)) * time.Millisecond
	return &fault{
		what: fmt.Sprintf("drain of %s within %v", m.name, within),
		do: func() error {
			return r.insist(func(ctx context.Context) error { _, err := r.client.Drain(ctx, m.name, within); return err })
		},
		undo: func() error {
			return r.insist(func(ctx context.Context) error { _, err := r.client.Resume(ctx, m.name); return err })
		},
	}
}

// insist asks until there is an answer, as long as none is what faults do.
func (r *trial) insist(ask func(context.Context) error) error {
	for {
		ctx, cancel := context.WithTimeout(r.t.Context(), patience)
		err := ask(ctx)
		cancel()
		if err == nil || !excusable(err) || r.t.Context().Err() != nil {
			return err
		}
		waitUntil(r.t.Context(), settlePoll)
	}
}

// stepClock steps a program's wall clock, by seconds or by hours, and back.
func (r *trial) stepClock(m *member) *fault {
	by := time.Duration(1+r.random.IntN(10)) * time.Second
	if r.random.IntN(2) == 0 {
		by = time.Duration(1+r.random.IntN(8)) * time.Hour
	}
	if r.random.IntN(2) == 0 {
		by = -by
	}
	return &fault{
		what: fmt.Sprintf("clock of %s %+d s", m.name, int(by.Seconds())),
		do:   func() error { return m.stepClock(by) },
		undo: func() error { return m.stepClock(-by) },
	}
}

// seeded is a random source of its own for one of several goroutines.
func (r *trial) seeded() *rand.Rand {
	return rand.New(rand.NewPCG(r.random.Uint64(), r.random.Uint64()))
}
