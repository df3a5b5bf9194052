package worker

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"cube/worker/task"
)

// checkHealthCheck refuses a health check that could not be made here.
func (w *Worker) checkHealthCheck(t *task.Task) error {
	check := t.HealthCheck
	if check.IsZero() {
		return nil
	}
	if len(check.Command) > 0 {
		if _, able := w.runtime.(Execer); !able {
			return &task.ValidationError{
				Field: "HealthCheck", Reason: fmt.Sprintf("the %s runtime cannot run a command inside a task; want HTTP or TCP", w.runtime.Name()),
			}
		}
		return nil
	}
	_, err := checkedPort(t)
	return err
}

// checkedPort is the task's port that its HTTP or TCP check asks: the one named,
// or the only one there is. It has to be one of the task's ports, since those
// are what a runtime makes reachable.
func checkedPort(t *task.Task) (task.Port, error) {
	refuse := func(format string, args ...any) (task.Port, error) {
		return task.Port{}, &task.ValidationError{Field: "HealthCheck", Reason: fmt.Sprintf(format, args...)}
	}
	ports := map[task.Port]bool{}
	for text := range t.ExposedPorts {
		if port, err := task.ParsePort(text); err == nil {
			ports[port] = true
		}
	}
	for text := range t.PortBindings {
		if port, err := task.ParsePort(text); err == nil {
			ports[port] = true
		}
	}
	var port task.Port
	if text := t.HealthCheck.Port; text != "" {
		var err error
		if port, err = task.ParsePort(text); err != nil {
			return refuse("%v", err)
		}
		if !ports[port] {
			return refuse("port %v is not one of the task's ExposedPorts or PortBindings", port)
		}
	} else {
		if len(ports) != 1 {
			return refuse("names no Port, and the task has %d; want one", len(ports))
		}
		for port = range ports {
		}
	}
	if port.Protocol != "tcp" {
		return refuse("asks port %v; want a tcp port", port)
	}
	return port, nil
}

// checkHealth checks a running task until the step ends, and has the run ended
// as unhealthy after too many failures in a row. Failures in the start period do
// not count until a check has succeeded once.
func (w *Worker) checkHealth(ctx context.Context, e *entry, s *step) {
	t := &s.record.Task
	check := t.HealthCheck
	interval, timeout := time.Duration(check.Interval), time.Duration(check.Timeout)
	orDefault(&interval, task.DefaultInterval)
	orDefault(&timeout, task.DefaultTimeout)
	retries := check.Retries
	orDefault(&retries, task.DefaultRetries)

	lenient := t.StartTime.Add(time.Duration(check.StartPeriod))
	for failures := 0; failures < retries; {
		if !pause(s.ctx, interval) {
			return
		}
		err := w.probe(s.ctx, s.key, t, timeout)
		switch {
		case s.ctx.Err() != nil:
			return
		case err == nil:
			failures, lenient = 0, time.Time{}
			continue
		case time.Now().Before(lenient):
			continue
		}
		failures++
		w.log.Warn("Health check failed", "task", t.ID, "name", t.Name, "run", s.key, "failures", failures, "of", retries, "error", err)
		if failures == retries {
			w.condemn(ctx, e, s.key, fmt.Sprintf("unhealthy: %d checks in a row failed, the last one because %v", retries, err))
		}
	}
}

// condemn writes that the run is to be ended, and has that done.
func (w *Worker) condemn(ctx context.Context, e *entry, key Key, reason string) {
	_, err := w.edit(ctx, e, key, func(r *Record) error {
		if r.Task.State == task.Running {
			r.Unhealthy = reason
		}
		return nil
	})
	if err != nil {
		return // the worker ends
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.poke(e)
}

// probe makes one check; nil means healthy.
func (w *Worker) probe(ctx context.Context, key Key, t *task.Task, timeout time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("there was no answer within %v", timeout))
	defer cancel()
	err := w.probeOnce(ctx, key, t)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (w *Worker) probeOnce(ctx context.Context, key Key, t *task.Task) error {
	check := t.HealthCheck
	if len(check.Command) > 0 {
		execer, able := w.runtime.(Execer)
		if !able {
			return fmt.Errorf("the %s runtime cannot run a command inside a task", w.runtime.Name())
		}
		code, err := execer.Exec(ctx, key, check.Command)
		if err == nil && code != 0 {
			err = fmt.Errorf("its command exited with code %d", code)
		}
		return err
	}
	address, err := address(t)
	if err != nil {
		return err
	}
	if check.TCP {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
	return probeHTTP(ctx, "http://"+address+check.HTTP)
}

// address is where the checked port can be reached from here.
func address(t *task.Task) (string, error) {
	port, err := checkedPort(t)
	if err != nil {
		return "", err
	}
	for text, bindings := range t.HostPorts {
		given, err := task.ParsePort(text)
		if err == nil && given == port && len(bindings) > 0 {
			return net.JoinHostPort(reachable(bindings[0].HostIp), bindings[0].HostPort), nil
		}
	}
	return "", fmt.Errorf("its port %v cannot be reached from the machine", port)
}

// reachable turns an address that something listens on into one to connect to.
func reachable(host string) string {
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "" || (err == nil && ip.IsUnspecified() && ip.Is4()):
		return "127.0.0.1"
	case err == nil && ip.IsUnspecified():
		return "::1"
	}
	return host
}

// probeHTTP asks for one page. Every check makes a connection of its own, as a
// new client would, and a redirection is an answer.
func probeHTTP(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	request.Header.Set("User-Agent", "cube-health-check")
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, Proxy: nil},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	_, _ = io.CopyN(io.Discard, answer.Body, 4<<10)
	_ = answer.Body.Close()
	if answer.StatusCode < 200 || answer.StatusCode > 399 {
		return fmt.Errorf("it answered %s", answer.Status)
	}
	return nil
}
