package worker_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"cube/worker"
	"cube/worker/task"
	"cube/worker/workertest"
)

// execRuntime can run commands in its tasks.
type execRuntime struct {
	*workertest.Runtime
	exec func(ctx context.Context, at time.Duration) (int, error) // at: since the start
	made []time.Duration
	born time.Time
}

func (r *execRuntime) Exec(ctx context.Context, _ worker.Key, _ []string) (int, error) {
	at := time.Since(r.born)
	r.made = append(r.made, at)
	return r.exec(ctx, at)
}

func TestHealthChecks(t *testing.T) {
	const s = time.Second
	for name, test := range map[string]struct {
		check task.HealthCheck
		exec  func(ctx context.Context, at time.Duration) (int, error)
		ends  time.Duration // when the run is ended as unhealthy; 0: not within an hour
		says  string
	}{
		"healthy": {
			exec: func(context.Context, time.Duration) (int, error) { return 0, nil },
		},
		"never healthy, by the defaults": {
			exec: func(context.Context, time.Duration) (int, error) { return 2, nil },
			ends: 30 * s, says: "unhealthy: 3 checks in a row failed, the last one because its command exited with code 2",
		},
		"failures that are not in a row": {
			check: task.HealthCheck{Retries: 2},
			exec:  func(_ context.Context, at time.Duration) (int, error) { return int(at/(10*s)) % 2, nil },
		},
		"falls ill": {
			check: task.HealthCheck{Interval: task.Duration(s), Retries: 4},
			exec: func(_ context.Context, at time.Duration) (int, error) {
				if at > 100*s {
					return 0, errors.New("exec: no such file")
				}
				return 0, nil
			},
			ends: 104 * s, says: "exec: no such file",
		},
		"does not answer": {
			check: task.HealthCheck{Interval: task.Duration(s), Timeout: task.Duration(3 * s), Retries: 2},
			exec: func(ctx context.Context, _ time.Duration) (int, error) {
				<-ctx.Done()
				return 0, ctx.Err()
			},
			ends: 8 * s, says: "there was no answer within 3s",
		},
		"takes its time to start": {
			check: task.HealthCheck{Interval: task.Duration(s), StartPeriod: task.Duration(60 * s)},
			exec: func(_ context.Context, at time.Duration) (int, error) {
				if at < 59*s {
					return 1, nil
				}
				return 0, nil
			},
		},
		"takes too long to start": {
			check: task.HealthCheck{Interval: task.Duration(s), StartPeriod: task.Duration(60 * s)},
			exec:  func(context.Context, time.Duration) (int, error) { return 1, nil },
			ends:  62 * s, says: "3 checks in a row",
		},
		"healthy, then ill in its start period": {
			check: task.HealthCheck{Interval: task.Duration(s), StartPeriod: task.Duration(60 * s)},
			exec: func(_ context.Context, at time.Duration) (int, error) {
				if at > 10*s {
					return 1, nil
				}
				return 0, nil
			},
			ends: 13 * s, says: "3 checks in a row",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				runtime := &execRuntime{Runtime: workertest.NewRuntime(), exec: test.exec, born: time.Now()}
				m := boot(t, func(cfg *worker.Config) { cfg.Runtime = runtime })
				id := uuid.New()
				event := startOf(id, 1)
				check := test.check
				check.Command = []string{"healthy?"}
				event.Task.HealthCheck = &check
				m.submit(event)
				pass(time.Hour)
				got := m.settle(id)
				if test.ends == 0 {
					wantState(t, got, task.Running)
					return
				}
				wantState(t, got, task.Failed)
				if ran := got.FinishTime.Sub(got.StartTime); ran != test.ends || !strings.Contains(got.Error, test.says) {
					t.Errorf("ended after %v with %q; want %v, %q", ran, got.Error, test.ends, test.says)
				}
				if last := runtime.made[len(runtime.made)-1]; last > test.ends {
					t.Errorf("checked at %v, after its end", last)
				}
			})
		})
	}
}

func TestUnhealthyTaskIsRestartedByItsPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runtime := &execRuntime{Runtime: workertest.NewRuntime(), born: time.Now()}
		runtime.StopCode = 0 // ends politely when it is stopped: failed all the same
		runtime.exec = func(_ context.Context, at time.Duration) (int, error) {
			if at < 35*time.Second {
				return 1, nil
			}
			return 0, nil
		}
		m := boot(t, func(cfg *worker.Config) { cfg.Runtime = runtime })
		id := uuid.New()
		event := startOf(id, 1)
		event.Task.RestartPolicy = task.RestartOnFailure
		event.Task.HealthCheck = &task.HealthCheck{Command: []string{"healthy?"}}
		m.submit(event)
		pass(time.Hour)
		got := m.settle(id)
		wantState(t, got, task.Running)
		if got.RestartCount != 1 || got.Error != "" {
			t.Errorf("%d restarts, error %q; want one, and none", got.RestartCount, got.Error)
		}
	})
}

// HTTP and TCP checks against real listeners, in real time.
func TestHealthOverTheNetwork(t *testing.T) {
	var status atomic.Int32
	status.Store(http.StatusFound) // an answer, not to be followed
	asked := make(chan string, 1000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case asked <- r.URL.Path:
		default:
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(int(status.Load()))
	}))
	defer server.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		check   task.HealthCheck
		address string
		fail    func()
		says    string
	}{
		"HTTP": {task.HealthCheck{HTTP: "/health"}, server.Listener.Addr().String(), func() { status.Store(500) }, "it answered 500"},
		"TCP":  {task.HealthCheck{TCP: true, Port: "80/tcp"}, listener.Addr().String(), func() { listener.Close() }, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			_, port, err := net.SplitHostPort(test.address)
			if err != nil {
				t.Fatal(err)
			}
			runtime := &portRuntime{Runtime: workertest.NewRuntime(), port: port}
			m := boot(t, func(cfg *worker.Config) { cfg.Runtime = runtime })
			id := uuid.New()
			event := startOf(id, 1)
			check := test.check
			check.Interval, check.Timeout, check.Retries = task.Duration(2*time.Millisecond), task.Duration(5*time.Second), 2
			event.Task.HealthCheck = &check
			event.Task.ExposedPorts = map[string]struct{}{"80": {}}
			if _, _, err := m.Submit(t.Context(), event); err != nil {
				t.Fatal(err)
			}
			if check.HTTP != "" {
				for range 5 {
					if path := <-asked; path != "/health" {
						t.Errorf("asked for %s", path)
					}
				}
				if got, err := m.Task(id); err != nil || got.State != task.Running {
					t.Fatalf("after five good checks: %+v, %v", got, err)
				}
			}
			test.fail()
			for {
				generation := m.Generation()
				got, err := m.Task(id)
				if err != nil {
					t.Fatal(err)
				}
				if got.State == task.Failed {
					if !strings.Contains(got.Error, test.says) {
						t.Errorf("error %q; want %q in it", got.Error, test.says)
					}
					break
				}
				if err := m.Changed(t.Context(), generation); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// portRuntime publishes port 80 of its tasks on a port of this machine.
type portRuntime struct {
	*workertest.Runtime
	port string
}

func (r *portRuntime) Start(ctx context.Context, key worker.Key, t *task.Task) (worker.Run, error) {
	run, err := r.Runtime.Start(ctx, key, t)
	run.HostPorts = map[string][]task.PortBinding{"80/tcp": {{HostIp: "0.0.0.0", HostPort: r.port}}}
	return run, err
}
