package scrape

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/common/config"
)

// secret returns the reader of a secret that stands in the configuration or in
// a file; nil where there is neither.
func secret(text, file string) config.SecretReader {
	switch {
	case text != "":
		return config.NewInlineSecret(text)
	case file != "":
		return &fileSecret{FileSecret: config.NewFileSecret(file)}
	default:
		return nil
	}
}

// fileSecret is a secret in a file, read again at most every reloadEvery. While
// the file cannot be read, requests fail: a secret that was taken away is not
// used on.
type fileSecret struct {
	*config.FileSecret

	mu   sync.Mutex // guards what follows
	read time.Time
	text string
}

// Fetch implements [config.SecretReader].
func (s *fileSecret) Fetch(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.read.IsZero() && time.Since(s.read) < reloadEvery {
		return s.text, nil
	}
	text, err := s.FileSecret.Fetch(ctx)
	if err != nil {
		return "", err
	}
	s.text, s.read = text, time.Now()
	return text, nil
}
