package process

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// changes tells those who follow output that a run's directory has changed.
// All share one inotify instance, of which a user has few. The zero value is
// ready.
type changes struct {
	wait sync.WaitGroup

	mu        sync.Mutex // guards what follows
	watcher   *fsnotify.Watcher
	followers map[string]map[chan struct{}]struct{} // by directory
	closed    bool
}

// follow returns a channel that holds a value whenever the directory may have
// changed since it was last received from, and a function that ends it.
func (c *changes) follow(dir string) (<-chan struct{}, func(), error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.start(); err != nil {
		return nil, nil, fmt.Errorf("output cannot be followed: %w", err)
	}
	if len(c.followers[dir]) == 0 {
		if err := c.watcher.Add(dir); err != nil {
			return nil, nil, fmt.Errorf("output cannot be followed: %w", err)
		}
		c.followers[dir] = map[chan struct{}]struct{}{}
	}
	changed := make(chan struct{}, 1)
	c.followers[dir][changed] = struct{}{}
	return changed, func() { c.unfollow(dir, changed) }, nil
}

// start starts watching, at the first follower. The caller holds the lock.
func (c *changes) start() error {
	if c.closed {
		return errClosed
	}
	if c.watcher != nil {
		return nil
	}
	watcher, err := fsnotify.NewWatcher()
	if errors.Is(err, unix.EMFILE) {
		return fmt.Errorf("%w (the limit may be fs.inotify.max_user_instances)", err)
	}
	if err != nil {
		return err
	}
	c.watcher, c.followers = watcher, map[string]map[chan struct{}]struct{}{}
	c.wait.Go(func() { c.distribute(watcher) })
	return nil
}

func (c *changes) unfollow(dir string, changed chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.followers[dir], changed)
	if len(c.followers[dir]) == 0 {
		delete(c.followers, dir)
		_ = c.watcher.Remove(dir) // gone already where the run was removed
	}
}

// distribute passes events on until the watcher is closed. What an overflow
// lost is made up for by waking everybody.
func (c *changes) distribute(watcher *fsnotify.Watcher) {
	for {
		select {
		case event, open := <-watcher.Events:
			if !open {
				return
			}
			c.wake(filepath.Dir(event.Name))
		case _, open := <-watcher.Errors:
			if !open {
				return
			}
			c.wakeAll()
		}
	}
}

func (c *changes) wake(dir string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for changed := range c.followers[dir] {
		notify(changed)
	}
}

func (c *changes) wakeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, followers := range c.followers {
		for changed := range followers {
			notify(changed)
		}
	}
}

// notify leaves a value in the channel, if there is none yet.
func notify(changed chan struct{}) {
	select {
	case changed <- struct{}{}:
	default:
	}
}

// close ends the watching and waits for its goroutine.
func (c *changes) close() error {
	c.mu.Lock()
	c.closed = true
	watcher := c.watcher
	c.mu.Unlock()
	if watcher == nil {
		return nil
	}
	err := watcher.Close()
	c.wait.Wait()
	return err
}
