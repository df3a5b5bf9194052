package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
)

// defaultDataDir is where a part keeps its state: /var/lib/cube for root, the
// user's state directory for others (XDG base directory specification).
func defaultDataDir(part string) string {
	if os.Geteuid() == 0 {
		return filepath.Join("/var/lib/cube", part)
	}
	if state := os.Getenv("XDG_STATE_HOME"); state != "" {
		return filepath.Join(state, "cube", part)
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local", "state", "cube", part)
	}
	return filepath.Join("cube-data", part)
}

// makeDataDir makes the directory, for its owner only.
func makeDataDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("the data directory %s cannot be made: %w", dir, err)
	}
	probe, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return fmt.Errorf("the data directory %s cannot be written: %w", dir, err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// identity is the ID of the data directory, made at first use: it tells the
// containers of one worker from those of another on the same engine.
func identity(dir string) (string, error) {
	path := filepath.Join(dir, "id")
	text, err := os.ReadFile(path)
	if err == nil {
		id := strings.TrimSpace(string(text))
		if id == "" {
			return "", fmt.Errorf("the identity in %s is empty", path)
		}
		return id, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("the identity of the data directory: %w", err)
	}
	id := uuid.NewString()
	if err := os.WriteFile(path, []byte(id+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("the identity of the data directory: %w", err)
	}
	return id, nil
}
