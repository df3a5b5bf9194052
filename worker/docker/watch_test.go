package docker

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/system"
)

// fakeEngine is an engine whose connections the test takes one by one.
type fakeEngine struct {
	connected chan *fakeConnection

	mu       sync.Mutex // guards what follows
	down     error      // what a connection attempt meets
	attempts []time.Time
}

type fakeConnection struct {
	since    string
	messages chan events.Message
	broken   chan error
}

func (f *fakeEngine) Info(context.Context) (system.Info, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.attempts = append(f.attempts, time.Now())
	return system.Info{SystemTime: time.Now().Format(time.RFC3339Nano)}, f.down
}

func (f *fakeEngine) Events(ctx context.Context, opts events.ListOptions) (<-chan events.Message, <-chan error) {
	c := &fakeConnection{since: opts.Since, messages: make(chan events.Message), broken: make(chan error)}
	errs := make(chan error, 1)
	go func() {
		defer close(errs)
		select {
		case err := <-c.broken:
			errs <- err
		case <-ctx.Done():
			errs <- ctx.Err()
		}
	}()
	f.connected <- c
	return c.messages, errs
}

func (f *fakeEngine) ContainerList(context.Context, container.ListOptions) ([]container.Summary, error) {
	return nil, nil
}

// goes sets whether the engine is down, and returns the attempts so far.
func (f *fakeEngine) goes(down error) []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
	return slices.Clone(f.attempts)
}

// watch runs a watcher over the fake until the test ends.
func watch(t *testing.T, engine *fakeEngine) (*watcher, context.CancelFunc) {
	engine.connected = make(chan *fakeConnection, 1)
	w := newWatcher(engine, "me", slog.New(slog.DiscardHandler), func(context.Context, []container.Summary) {},
		func(context.Context, string, string) {})
	ctx, cancel := context.WithCancel(t.Context())
	go w.run(ctx)
	return w, cancel
}

// awake reports whether the waiter was woken, and takes the wake.
func awake(one *waiter) bool {
	synctest.Wait()
	select {
	case <-one.wake:
		return true
	default:
		return false
	}
}

func die(name string, code int) events.Message {
	return events.Message{Type: events.ContainerEventType, Action: events.ActionDie, TimeNano: time.Now().UnixNano(),
		Actor: events.Actor{Attributes: map[string]string{"name": name, "exitCode": strconv.Itoa(code)}}}
}

func TestWatcherWakesWhoWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := &fakeEngine{}
		w, cancel := watch(t, engine)
		defer cancel()
		connection := <-engine.connected
		synctest.Wait()
		first, second, other := w.add("a"), w.add("a"), w.add("b")
		connection.messages <- die("a", 3)
		if !awake(first) || !awake(second) || awake(other) {
			t.Error("the death of a did not wake exactly those that wait for a")
		}
		if exit := w.lastDied(second); exit == nil || *exit.Code != 3 || !exit.Time.Equal(time.Now()) {
			t.Errorf("the event said %+v; want code 3, now", exit)
		}
		w.drop("a", first)
		connection.messages <- die("a", 4)
		if awake(first) || !awake(second) {
			t.Error("the second event did not wake exactly the one that still waits")
		}
		w.drop("a", second)
		w.drop("b", other)
		if len(w.waiters) != 0 {
			t.Errorf("%d names are kept with nobody waiting", len(w.waiters))
		}
	})
}

func TestWatcherLosesNothingBetweenConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := &fakeEngine{}
		w, cancel := watch(t, engine)
		defer cancel()
		connection := <-engine.connected
		synctest.Wait()
		first, second := w.add("a"), w.add("b")

		// Ends may fall into the time without a connection: everybody has
		// to look again.
		connection.broken <- io.ErrUnexpectedEOF
		broken := time.Now()
		connection = <-engine.connected
		if !awake(first) || !awake(second) {
			t.Error("not everybody was woken after the new connection")
		}
		// The stream begins no later than the connecting, so that nothing
		// falls between it and that look.
		since, err := time.Parse(time.RFC3339Nano, connection.since)
		if err != nil || since.Before(broken) || since.After(time.Now()) {
			t.Errorf("the second stream begins at %q; want when it connected", connection.since)
		}
	})
}

func TestWatcherConnectsAnewInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := &fakeEngine{}
		w, cancel := watch(t, engine)
		defer cancel()
		<-engine.connected
		one := w.add("ended meanwhile")
		w.doubt()
		w.doubt() // one is as good as two
		<-engine.connected
		if !awake(one) {
			t.Error("the waiter was not woken after the listing")
		}
	})
}

func TestWatcherBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := &fakeEngine{down: errors.New("connection refused")}
		_, cancel := watch(t, engine)
		defer cancel()
		<-time.After(time.Minute)
		synctest.Wait()
		attempts := engine.goes(nil)
		if len(attempts) < 12 || len(attempts) > 35 {
			t.Errorf("%d attempts in a minute; want them to become rarer, up to %v apart", len(attempts), longPause)
		}
		for i, at := range attempts[1:] {
			if pause := at.Sub(attempts[i]); pause > longPause {
				t.Errorf("a pause of %v; want at most %v", pause, longPause)
			}
		}
		// It is found again within the longest pause.
		back := time.Now()
		connection := <-engine.connected
		if waited := time.Since(back); waited > longPause {
			t.Errorf("connected %v after the engine was back", waited)
		}
		// After a good connection, a break is mended at once.
		<-time.After(steady)
		broken := time.Now()
		connection.broken <- io.EOF
		<-engine.connected
		if waited := time.Since(broken); waited > firstPause {
			t.Errorf("connected %v after a break; want at most %v", waited, firstPause)
		}
	})
}

func TestWatcherTellsWhetherTheEngineGoesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := &fakeEngine{}
		w, cancel := watch(t, engine)
		defer cancel()
		connection := <-engine.connected
		if w.breaks(t.Context(), time.Minute) {
			t.Error("it is said to have gone away")
		}
		ask := func() <-chan bool {
			told := make(chan bool, 1)
			go func() { told <- w.breaks(t.Context(), time.Second) }()
			synctest.Wait()
			return told
		}
		told := ask()
		engine.goes(errors.New("connection refused"))
		connection.broken <- io.ErrUnexpectedEOF
		if !<-told {
			t.Error("it went away while somebody asked")
		}
		<-time.After(time.Minute)
		if !<-ask() {
			t.Error("it is away when somebody asks")
		}
		engine.goes(nil)
		<-engine.connected
		synctest.Wait()
		if <-ask() {
			t.Error("it is back when somebody asks")
		}
	})
}
