package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"cube/worker/client"
	"cube/worker/task"
)

// worker is a real cube worker, asked over HTTP.
type worker struct {
	cmd    *exec.Cmd
	client *client.Client
	image  string // of Docker tasks

	mu      sync.Mutex // guards started
	started []uuid.UUID
	last    *task.Task // that await has found in the state, where it is one
}

// startWorker starts the program and waits until it says where it listens.
func startWorker(ctx context.Context, c config, dir, image string) (*worker, error) {
	w := &worker{image: image}
	w.cmd = exec.CommandContext(ctx, c.cube, "worker", "--runtime="+c.runtime, "--web.listen-address=127.0.0.1:0", "--web.insecure",
		"--drain", "--data-dir="+filepath.Join(dir, "data"), "--overcommit.cpu=1000")
	w.cmd.Cancel = func() error { return w.cmd.Process.Signal(os.Interrupt) }
	log, err := w.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := w.cmd.Start(); err != nil {
		return nil, err
	}
	serving := regexp.MustCompile(`is serving.*? url=(http://[^ "]+)`)
	lines := bufio.NewScanner(log)
	var said strings.Builder
	for lines.Scan() {
		if found := serving.FindStringSubmatch(lines.Text()); found != nil {
			go func() { _, _ = io.Copy(io.Discard, log) }() // ends with the program
			w.client, err = client.New(found[1], nil)
			return w, err
		}
		said.WriteString(lines.Text() + "\n")
	}
	return nil, fmt.Errorf("the worker ended: %w\n%s", w.cmd.Wait(), &said)
}

// stop ends the worker, and removes the containers that it keeps for their output.
func (w *worker) stop() error {
	_ = w.cmd.Process.Signal(os.Interrupt) // Wait says how it ended
	err := w.cmd.Wait()
	if w.image == "" {
		return err
	}
	kept, listErr := exec.Command("docker", "ps", "--all", "--quiet", "--filter=ancestor="+w.image).Output()
	err = errors.Join(err, listErr)
	if ids := strings.Fields(string(kept)); len(ids) > 0 {
		err = errors.Join(err, docker(context.Background(), append([]string{"rm", "--force"}, ids...)...))
	}
	return err
}

func (w *worker) start(ctx context.Context, n int) error {
	if err := each(n, func(int) error { return w.submit(ctx) }); err != nil {
		return err
	}
	return w.await(ctx, task.Running)
}

// submit asks for one task, and returns once it is accepted.
func (w *worker) submit(ctx context.Context) error {
	event := task.Event{ID: uuid.New(), State: task.Running, Timestamp: time.Now(), Task: task.Task{
		ID: uuid.New(), Allocation: 1, Memory: taskMemory, Command: idle, StopTimeout: task.Duration(time.Second),
	}}
	if w.image != "" {
		event.Task.Image, event.Task.Command = w.image, []string{"forever"}
	}
	_, err := w.client.Submit(ctx, event)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.started = append(w.started, event.Task.ID)
	return err
}

// await waits until all are in the state.
func (w *worker) await(ctx context.Context, state task.State) error {
	// What many tasks change at once is asked for now and then: the list grows
	// with them, and its reader would take the CPU from their starts.
	const now = 10 * time.Millisecond
	tick := time.NewTicker(now)
	defer tick.Stop()
	query := client.TasksQuery{State: []task.State{state, task.Failed}, Wait: time.Minute}
	for {
		answer, err := w.client.Tasks(ctx, query)
		if err != nil {
			return err
		}
		in := map[uuid.UUID]bool{}
		for _, t := range answer.Tasks {
			if t.State == task.Failed {
				return fmt.Errorf("task %s failed: %s", t.ID, t.Error)
			}
			in[t.ID], w.last = true, t
		}
		if !slices.ContainsFunc(w.started, func(id uuid.UUID) bool { return !in[id] }) {
			return nil
		}
		query.Since = answer.Generation
		if len(w.started) > 1 {
			<-tick.C
		}
	}
}

func (w *worker) clear() error {
	ctx := context.Background()
	var errs []error
	for _, id := range w.started {
		errs = append(errs, w.client.Stop(ctx, id, nil))
	}
	errs = append(errs, w.await(ctx, task.Completed))
	w.started = nil
	return errors.Join(errs...)
}
