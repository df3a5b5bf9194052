package docker

import (
	"context"
	"io"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"cube/worker"
)

// Logs returns the run's output. Both streams together come in the order in
// which the engine recorded them. Tail counts as "docker logs" does: the
// engine's records of both streams, of which a line longer than 16 KiB is
// several.
func (r *Runtime) Logs(ctx context.Context, key worker.Key, opts worker.LogOptions) (io.ReadCloser, error) {
	c, err := r.inspect(ctx, key)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	framed, err := r.client.ContainerLogs(ctx, c.ID, logsOptions(opts))
	if err != nil {
		cancel()
		return nil, engineError("logs of container "+containerName(key), err)
	}
	// The engine sends both streams in frames on one connection. Whoever
	// reads gets the plain bytes through a pipe.
	reader, writer := io.Pipe()
	closing := context.AfterFunc(r.ctx, cancel)
	r.group.Go(func() {
		defer closing()
		defer cancel()
		_, err := stdcopy.StdCopy(writer, writer, framed)
		if closeErr := framed.Close(); err == nil {
			err = closeErr
		}
		writer.CloseWithError(err) // nil reads as io.EOF
	})
	return &logReader{PipeReader: reader, cancel: cancel}, nil
}

// logReader ends the connection to the engine when it is closed.
type logReader struct {
	*io.PipeReader
	cancel context.CancelFunc
}

// Close may be called while a Read blocks; that then returns.
func (l *logReader) Close() error {
	l.cancel()
	return l.PipeReader.Close()
}

func logsOptions(opts worker.LogOptions) container.LogsOptions {
	both := opts.Stdout == opts.Stderr
	asked := container.LogsOptions{
		ShowStdout: both || opts.Stdout,
		ShowStderr: both || opts.Stderr,
		Follow:     opts.Follow,
		Tail:       "all",
	}
	if opts.Tail >= 0 {
		asked.Tail = strconv.Itoa(opts.Tail)
	}
	if !opts.Since.IsZero() {
		asked.Since = opts.Since.Format(time.RFC3339Nano)
	}
	return asked
}
