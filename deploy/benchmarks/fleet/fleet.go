package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"cube/worker/wire"
)

// fleet is the simulated workers, all of them behind one port.
type fleet struct {
	workers    []*worker
	port       string
	listener   net.Listener
	startDelay time.Duration
	births     chan<- started // told of each task that has come to run

	started, ended, doubled atomic.Int64
}

// started is a task that has come to run.
type started struct {
	id uuid.UUID
	at time.Time // when its worker was asked
}

// newFleet starts to serve so many workers.
func newFleet(ctx context.Context, n int, startDelay time.Duration, births chan<- started) (*fleet, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", ":0")
	if err != nil {
		return nil, err
	}
	f := &fleet{listener: listener, startDelay: startDelay, births: births}
	_, f.port, _ = net.SplitHostPort(listener.Addr().String())
	page, err := newPage()
	if err != nil {
		return nil, err
	}
	for i := range n {
		f.workers = append(f.workers, newWorker(f, fmt.Sprintf("w%05d", i), page))
	}
	go f.serve(ctx)
	return f, nil
}

// Addresses are dealt out by 240 of the last byte, which leaves out those that a
// system may take for a network's or a broadcast's.
func address(i int) net.IP { return net.IPv4(127, byte(1+i/60000), byte(i/240%250), byte(1+i%240)) }

func indexOf(ip net.IP) int {
	ip = ip.To4()
	return (int(ip[1])-1)*60000 + int(ip[2])*240 + int(ip[3]) - 1
}

func (f *fleet) serve(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() { _ = f.listener.Close() })
	defer stop()
	for {
		conn, err := f.listener.Accept()
		if err != nil {
			return // it was closed
		}
		i := indexOf(conn.LocalAddr().(*net.TCPAddr).IP)
		if i < 0 || i >= len(f.workers) {
			_ = conn.Close()
			continue
		}
		go f.workers[i].serve(ctx, conn)
	}
}

// writeTargets writes the file of workers that the manager reads.
func (f *fleet) writeTargets(path string) error {
	groups := make([]wire.TargetGroup, len(f.workers))
	for i, w := range f.workers {
		groups[i] = wire.TargetGroup{
			Targets: []string{net.JoinHostPort(address(i).String(), f.port)},
			Labels:  map[string]string{"node": w.name, "zone": string(rune('a' + i%3))},
		}
	}
	text, err := json.Marshal(groups)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

// running counts the tasks that run on workers that are not lost.
func (f *fleet) running() int {
	n := 0
	for _, w := range f.workers {
		n += w.running()
	}
	return n
}
