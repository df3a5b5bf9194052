package docker_test

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"cube/worker/docker/dockertest"
)

// Many runs are started, watched, listed, read and stopped at the same time.
func testManyAtOnce(t *testing.T, image string) {
	const runs = 12
	runtime := newRuntime(t, dockertest.Owner(t))
	var group errgroup.Group
	for i := range runs {
		group.Go(func() error {
			key, what := newTask(image, "term", "0", "out", "ready", "forever")
			if i%2 == 0 {
				what.Command = []string{"out", "ready", "wait", "300ms", "exit", "0"}
			}
			if _, err := runtime.Start(t.Context(), key, what); err != nil {
				return err
			}
			ended := make(chan error, 2)
			for range cap(ended) {
				go func() {
					exit, err := runtime.Wait(t.Context(), key)
					if err == nil && (exit.Code == nil || *exit.Code != 0) {
						err = fmt.Errorf("it ended as %+v; want code 0", exit)
					}
					ended <- err
				}()
			}
			waitForLine(t, runtime, key, "ready")
			if _, err := runtime.List(t.Context()); err != nil {
				return err
			}
			_, _ = runtime.Usage(t.Context(), key) // it may have ended by now
			if i%2 == 1 {
				if err := runtime.Stop(t.Context(), key, time.Minute); err != nil {
					return err
				}
			}
			for range cap(ended) {
				if err := <-ended; err != nil {
					return err
				}
			}
			return runtime.Remove(t.Context(), key)
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	left, err := runtime.List(t.Context())
	if err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
}
