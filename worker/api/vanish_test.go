package api

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"cube/worker"
	"cube/worker/task"
	"cube/worker/workertest"
)

// endless is a runtime whose tasks write without end.
type endless struct {
	*workertest.Runtime
	closed chan struct{} // gets one for every stream that was closed
}

func (r *endless) Logs(context.Context, worker.Key, worker.LogOptions) (io.ReadCloser, error) {
	return &zeros{r.closed}, nil
}

// zeros is the output of such a task.
type zeros struct{ closed chan struct{} }

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
func (s *zeros) Close() error {
	select {
	case s.closed <- struct{}{}:
	default:
	}
	return nil
}

// pipes is a listener whose connections are in memory, so that time can be
// virtual.
type pipes struct{ conns chan net.Conn }

func (p *pipes) Accept() (net.Conn, error) {
	if conn, open := <-p.conns; open {
		return conn, nil
	}
	return nil, net.ErrClosed
}
func (p *pipes) Close() error   { return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// A client that stops reading, or stops writing its request, is cut off in time:
// it costs neither a goroutine nor an open stream for ever.
func TestSlowClientsAreCutOff(t *testing.T) {
	id := uuid.New()
	for name, test := range map[string]struct {
		request string
		within  time.Duration
	}{
		"does not read the output": {
			"GET /tasks/" + id.String() + "/logs?follow=1 HTTP/1.1\r\nHost: worker\r\n\r\n", writeTimeout + time.Second,
		},
		"does not read the list": {"GET /tasks HTTP/1.1\r\nHost: worker\r\n\r\n", writeTimeout + time.Second},
		"does not send its body": {
			"POST /tasks HTTP/1.1\r\nHost: worker\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", bodyTimeout + time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				runtime := &endless{workertest.NewRuntime(), make(chan struct{}, 1)}
				w, err := worker.New(t.Context(), worker.Config{
					Runtime: runtime, Capacity: func() (task.Resources, error) { return task.Resources{Cpu: 1, Memory: 1 << 30}, nil },
					Store: workertest.NewStore(worker.Record{Task: task.Task{ID: id, State: task.Running}}),
				})
				if err != nil {
					t.Fatal(err)
				}
				handled := make(chan time.Time, 1)
				handler := New(Config{Worker: w})
				server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					defer func() { handled <- time.Now() }()
					handler.ServeHTTP(w, r)
				})}
				listener := &pipes{make(chan net.Conn)}
				served := make(chan error, 1)
				go func() { served <- server.Serve(listener) }()
				client, conn := net.Pipe()
				listener.conns <- conn
				began := time.Now()
				if _, err := io.WriteString(client, test.request); err != nil {
					t.Fatal(err)
				}
				if test.request[0] == 'P' {
					go func() { _, _ = bufio.NewReader(client).ReadString(0) }() // reads the refusal
				}
				if took := (<-handled).Sub(began); took > test.within {
					t.Errorf("it was served for %v; want at most %v", took, test.within)
				}
				close(listener.conns)
				if err := errors.Join(server.Close(), client.Close()); err != nil {
					t.Error(err)
				}
				if err := <-served; !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
				if strings.Contains(test.request, "/logs") {
					<-runtime.closed
				}
			})
		})
	}
}
