package scrape

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"cube/scheduler"
)

// sink keeps the results that a loop hands out.
type sink struct {
	mu      sync.Mutex
	results map[string][]Result
	arrived chan Result // also sent here where there is room
}

func newSink() *sink {
	return &sink{results: map[string][]Result{}, arrived: make(chan Result, 100)}
}

func (s *sink) take(r Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.results[r.Node] = append(s.results[r.Node], r)
	select {
	case s.arrived <- r:
	default:
	}
}

func (s *sink) of(node string) []Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Result(nil), s.results[node]...)
}

// next waits for the next result.
func (s *sink) next(t *testing.T) Result {
	t.Helper()
	select {
	case r := <-s.arrived:
		return r
	case <-t.Context().Done():
		t.Fatal("no result came")
	case <-time.After(30 * time.Second):
		t.Fatal("no result within 30 s")
	}
	return Result{}
}

// clock is a monotonic clock that starts when it is made.
func clock() func() scheduler.Instant {
	start := time.Now()
	return func() scheduler.Instant { return scheduler.Instant(time.Since(start)) }
}

func configFor(t testing.TB, client *http.Client, s *sink) Config {
	t.Helper()
	return Config{Client: client, Now: clock(), Sink: s.take, Log: slog.New(slog.DiscardHandler)}
}

// start runs a loop until the test ends or stop is called.
func start(t *testing.T, config Config, targets ...Target) (l *Loop, stop func()) {
	t.Helper()
	l, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	l.SetTargets(targets)
	return l, run(t, l)
}

func run(t *testing.T, l *Loop) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// workerPage is the page of a worker at the given time, with some tasks.
func workerPage(at time.Time, tasks int) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	metric := func(name, kind string) {
		line("# HELP %s What it is, in a sentence of the usual length for it.", name)
		line("# TYPE %s %s", name, kind)
	}
	for _, m := range []struct{ series, value string }{
		{"cube_allocatable_cpu_cores", "7.5"},
		{"cube_allocatable_disk_bytes", "9e+10"},
		{"cube_allocatable_memory_bytes", "1.5e+10"},
		{"cube_allocated_cpu_cores", "1"},
		{"cube_cpu_cores", "8"},
		{"cube_cpu_usage_ratio", "0.25"},
		{"cube_cpu_usage_window_seconds", "15.003"},
		{`cube_disk_available_bytes{device="/dev/vda1",fstype="ext4",mountpoint="/"}`, "1e+10"},
		{`cube_disk_total_bytes{device="/dev/vda1",fstype="ext4",mountpoint="/"}`, "2e+10"},
		{"cube_data_disk_available_bytes", "7e+10"},
		{"cube_data_disk_total_bytes", "1e+11"},
		{"cube_load1", "1.93"},
		{"cube_memory_available_bytes", "1.2e+10"},
		{"cube_memory_total_bytes", "1.6e+10"},
		{"cube_overcommit_cpu_ratio", "2"},
		{`cube_pressure_some_ratio{resource="cpu"}`, "0.01"},
		{`cube_tasks{state="running"}`, fmt.Sprint(tasks)},
		{"cube_tasks_generation", "42"},
		{"cube_time_seconds", fmt.Sprintf("%.6f", float64(at.UnixNano())/1e9)},
	} {
		name, _, _ := strings.Cut(m.series, "{")
		metric(name, "gauge")
		line("%s %s", m.series, m.value)
	}
	for _, m := range []struct{ name, kind, value string }{
		{"cube_task_cpu_seconds_total", "counter", "12.75"},
		{"cube_task_memory_bytes", "gauge", "5.24288e+06"},
		{"cube_task_start_time_seconds", "gauge", "1.7955469455017009e+09"},
	} {
		metric(m.name, m.kind)
		for i := range tasks {
			line(`%s{name="web-%d",task="%s"} %s`, m.name, i, taskID(i), m.value)
		}
	}
	return b.String()
}

func taskID(i int) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceURL, fmt.Appendf(nil, "task %d", i))
}

// handler answers with a page of the given text.
func handler(page func() string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = bytes.NewBufferString(page()).WriteTo(w)
	})
}

// elapse lets the time of a synctest bubble go on.
func elapse(d time.Duration) { <-time.After(d) }
