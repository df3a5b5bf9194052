package scrape

import (
	"context"
	"errors"
	"math/bits"
	"time"

	"cube/scheduler"
)

// scrape reads one target and hands the result to the sink.
func (l *Loop) scrape(ctx context.Context, t *target) {
	start := time.Now()
	reading, failure := l.read(ctx, t)
	took := time.Since(start)
	if ctx.Err() != nil {
		return // cut short by the end of the loop: it says nothing of the node
	}
	outcome := Success
	if failure != nil {
		outcome = failure.Outcome
		failure.Node, failure.URL = t.Node, t.shown
	}
	l.metrics.count(outcome, took)

	l.mu.Lock()
	t.suspect = outcome == Timeout
	gone := t.gone
	l.mu.Unlock()
	if gone {
		return
	}
	l.tell(t, failure)
	result := Result{Node: t.Node, Reading: reading, Duration: took}
	if failure != nil {
		result.Err = failure
	}
	l.config.Sink(result)
}

// read fetches the target's page and makes a reading of it.
func (l *Loop) read(ctx context.Context, t *target) (scheduler.Reading, *Failure) {
	if t.bad != nil {
		return absentReading(t.Node), fail(BadTarget, "%v", t.bad).because(t.bad)
	}
	s := l.pages.Get().(*scratch)
	defer l.pages.Put(s)
	s.body.Reset()
	if failure := l.fetcher.fetch(ctx, t.request, &s.body); failure != nil {
		return absentReading(t.Node), failure
	}
	at := l.config.Now()
	if failure := s.page.readOf(t, s.body.Bytes(), l.config.MaxSamples, int(l.layouts.Load())); failure != nil {
		return absentReading(t.Node), failure
	}
	reading, failure := s.page.reading(t.Node, at, &t.memory)
	if failure == nil {
		l.tellAbsent(t, s.page.absent())
	}
	return reading, failure
}

// tell logs when a target begins to fail and when it is well again, and not
// every time in between.
func (l *Loop) tell(t *target, failure *Failure) {
	switch {
	case failure != nil && !t.memory.failed:
		l.config.Log.Warn("A node could not be read", "node", t.Node, "url", t.shown, "result", string(failure.Outcome), "err", errors.New(failure.Reason))
	case failure == nil && t.memory.failed:
		l.config.Log.Info("A node can be read again", "node", t.Node)
	}
	t.memory.failed = failure != nil
}

// tellAbsent logs which figures a page lacks, when that changes: a metric that
// was renamed must not go missing in silence.
func (l *Loop) tellAbsent(t *target, absent figureSet) {
	if absent == t.memory.absent {
		return
	}
	t.memory.absent = absent
	var names []string
	for rest := absent; rest != 0; rest &= rest - 1 {
		names = append(names, t.source.metric(Figure(bits.TrailingZeros32(uint32(rest)))))
	}
	l.config.Log.Info("What a node's page lacks has changed", "node", t.Node, "absent", names)
}
