package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/docker/docker/api/types/image"
)

// A task's pull policies; empty is if-not-present.
const (
	pullAlways = "always"
	pullNever  = "never"
)

// progressEvery is how often a running pull says how far it is.
const progressEvery = 10 * time.Second

// pull has the engine fetch the image from its registry, and returns once it
// is there.
func (r *Runtime) pull(ctx context.Context, ref string) error {
	began := time.Now()
	r.log.InfoContext(ctx, "pulling image", "image", ref)
	stream, err := r.client.ImagePull(ctx, ref, image.PullOptions{})
	if err != nil {
		return pullError(ref, err)
	}
	err = r.followPull(ctx, ref, stream)
	if err = errors.Join(err, stream.Close()); err != nil {
		return pullError(ref, err)
	}
	r.log.InfoContext(ctx, "pulled image", "image", ref, "duration", time.Since(began))
	return nil
}

func pullError(ref string, err error) error {
	return fmt.Errorf("image %q could not be pulled from its registry: %w", ref, err)
}

// pullMessage is one line of the engine's account of a pull.
type pullMessage struct {
	ID       string `json:"id"`
	Status   string `json:"status"`
	Progress struct {
		Current int64 `json:"current"`
		Total   int64 `json:"total"`
	} `json:"progressDetail"`
	Error string `json:"error"`
}

// followPull reads the account to its end: the pull goes on only as long as
// somebody reads, and its failure is a line of it.
func (r *Runtime) followPull(ctx context.Context, ref string, account io.Reader) error {
	lines := json.NewDecoder(account)
	fetched := make(map[string]int64) // bytes by layer
	said := time.Now()
	for {
		var line pullMessage
		if err := lines.Decode(&line); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if line.Error != "" {
			return errors.New(line.Error)
		}
		if line.Status == "Downloading" {
			fetched[line.ID] = line.Progress.Current
		}
		if time.Since(said) >= r.progress {
			said = time.Now()
			var sum int64
			for _, bytes := range fetched {
				sum += bytes
			}
			r.log.InfoContext(ctx, "still pulling image", "image", ref, "layers", len(fetched), "bytes", sum)
		}
	}
}
