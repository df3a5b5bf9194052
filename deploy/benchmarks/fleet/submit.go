package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// load submits tasks and notes when each was accepted and when its worker was
// asked. Tasks are told by a number, which is part of their ID.
type load struct {
	manager *manager
	life    string // the argument of sleep
	prefix  uuid.UUID
	batch   int // tasks a POST

	slots    chan struct{}  // one for each task that may be submitted and not running
	accepted []atomic.Int64 // µs after epoch + 1; by number
	asked    []atomic.Int64 // the same: when the worker was asked
	took     []atomic.Int64 // µs from POST to 201
	epoch    time.Time

	next, acknowledged atomic.Int64
	lastError          atomic.Pointer[error]
}

// newLoad returns a load of up to most tasks, of which window may be submitted
// and not running yet.
func newLoad(m *manager, most, window, batch int, life string) *load {
	l := &load{
		manager: m, life: life, prefix: uuid.New(), batch: batch, epoch: time.Now(),
		slots:    make(chan struct{}, window),
		accepted: make([]atomic.Int64, most), asked: make([]atomic.Int64, most), took: make([]atomic.Int64, most),
	}
	return l
}

// watch gives the births to the loads whose tasks they are, until ctx ends.
func watch(ctx context.Context, births <-chan started, loads ...*load) {
	for {
		select {
		case s := <-births:
			for _, l := range loads {
				l.take(s)
			}
		case <-ctx.Done():
			return
		}
	}
}

// take notes when a task of this load was asked for. That it is begun anew when
// its node is lost says nothing of the load.
func (l *load) take(s started) {
	i := int(binary.BigEndian.Uint32(s.id[12:]))
	if s.id != l.id(i) || i >= len(l.asked) {
		return
	}
	if l.asked[i].CompareAndSwap(0, int64(s.at.Sub(l.epoch)/time.Microsecond)+1) {
		<-l.slots
	}
}

func (l *load) id(i int) uuid.UUID {
	id := l.prefix
	binary.BigEndian.PutUint32(id[12:], uint32(i))
	return id
}

// submit has so many clients submit until ctx ends or all tasks there may be
// have been submitted; at rate tasks a second, or at 0 as fast as windows allow.
func (l *load) submit(ctx context.Context, clients, rate int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// More could never be at it, and their connections would be closed as idle.
	clients = max(1, min(clients, cap(l.slots)/l.batch))
	turns := make(chan struct{}, clients)
	go l.pace(ctx, turns, rate)
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			if err := l.client(ctx, turns); err != nil && ctx.Err() == nil {
				l.lastError.Store(&err)
				cancel()
			}
		})
	}
	group.Wait()
	if err := l.lastError.Load(); err != nil {
		return *err
	}
	return nil
}

// pace deals out the turns, each to submit a batch.
func (l *load) pace(ctx context.Context, turns chan<- struct{}, rate int) {
	defer close(turns)
	began := time.Now()
	for n := 0; n+l.batch <= len(l.accepted); n += l.batch {
		if rate > 0 {
			due := began.Add(time.Duration(n) * time.Second / time.Duration(rate))
			if wait := time.Until(due); wait > 0 {
				select {
				case <-time.After(wait):
				case <-ctx.Done():
					return
				}
			}
		}
		for range l.batch {
			if !send(ctx, l.slots) {
				return
			}
		}
		if !send(ctx, turns) {
			return
		}
	}
}

// send returns false when ctx ends first.
func send(ctx context.Context, c chan<- struct{}) bool {
	select {
	case c <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// client submits over one connection.
func (l *load) client(ctx context.Context, turns <-chan struct{}) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.manager.host)
	if err != nil {
		return err
	}
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 4<<10)
	var out []byte
	for range turns {
		first := int(l.next.Add(int64(l.batch))) - l.batch
		began := time.Now()
		out = l.request(out[:0], first)
		if _, err := conn.Write(out); err != nil {
			return err
		}
		answer, err := http.ReadResponse(in, nil)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil {
			return err
		}
		if answer.StatusCode != http.StatusCreated { // of a list: all of it is created
			return fmt.Errorf("POST /tasks: %s: %.300s", answer.Status, body)
		}
		now := time.Now()
		for i := first; i < first+l.batch; i++ {
			l.took[i].Store(int64(now.Sub(began) / time.Microsecond))
			l.accepted[i].Store(int64(now.Sub(l.epoch)/time.Microsecond) + 1)
		}
		l.acknowledged.Add(int64(l.batch))
	}
	return nil
}

// request writes the POST of a batch of tasks, each as small as C1M's were.
func (l *load) request(b []byte, first int) []byte {
	var body []byte
	for i := first; i < first+l.batch; i++ {
		body = append(body, `,{"ID":"`...)
		id, _ := l.id(i).MarshalText() // never fails
		body = append(body, id...)
		body = append(body, `","Name":"web","Command":["sleep","`...)
		body = append(body, l.life...)
		body = append(body, `"],"Cpu":0.1,"Memory":67108864,"Disk":1048576}`...)
	}
	if l.batch > 1 {
		body[0] = '['
		body = append(body, ']')
	} else {
		body = body[1:]
	}
	b = append(b, "POST /tasks HTTP/1.1\r\nHost: "...)
	b = append(b, l.manager.host...)
	b = append(b, "\r\nAuthorization: Bearer "...)
	b = append(b, l.manager.token...)
	b = append(b, "\r\nContent-Type: application/json\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(body)), 10)
	b = append(b, "\r\n\r\n"...)
	return append(b, body...)
}

// waits are how long it took from the 201 until the worker was asked, in ms,
// sorted. Who was asked before the 201 had come back waited for nothing.
func (l *load) waits() []float64 {
	var all []float64
	for i := range l.accepted {
		accepted, asked := l.accepted[i].Load(), l.asked[i].Load()
		if accepted > 0 && asked > 0 {
			all = append(all, max(0, float64(asked-accepted)/1000))
		}
	}
	slices.Sort(all)
	return all
}

// answers are how long a 201 took, in ms, sorted.
func (l *load) answers() []float64 {
	var all []float64
	for i := range l.took {
		if took := l.took[i].Load(); took > 0 {
			all = append(all, float64(took)/1000)
		}
	}
	slices.Sort(all)
	return all
}

// quantile of sorted values; 0 where there are none.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// holds reports whether an ID is that of a task which was accepted.
func (l *load) holds(id string) bool {
	parsed, err := uuid.Parse(id)
	if err != nil {
		return false
	}
	i := int(binary.BigEndian.Uint32(parsed[12:]))
	return i < len(l.accepted) && parsed == l.id(i) && l.accepted[i].Load() > 0
}
