package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"cube/collector/rawread"
)

// serveFloor serves a page that was made beforehand, plain and with gzip: what a
// scrape costs where nothing is measured and nothing encoded. With a list of files
// it reads them at each scrape: what no exporter that reads them anew can go below.
func serveFloor(ctx context.Context, c config) error {
	plain, err := os.ReadFile(c.floorPlain)
	if err != nil {
		return err
	}
	packed, err := os.ReadFile(c.floorGzip)
	if err != nil {
		return err
	}
	reads, err := openFiles(c.floorReads)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reads.read()
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		page := plain
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			w.Header().Set("Content-Encoding", "gzip")
			page = packed
		}
		_, _ = w.Write(page) // a client that has left needs no page
	})}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	fmt.Fprintf(os.Stderr, "floor is serving url=http://%s\n", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// files are descriptors that are kept.
type files []int

// openFiles opens the files that a list names, one a line; none where there is no
// list.
func openFiles(list string) (files, error) {
	if list == "" {
		return nil, nil
	}
	text, err := os.ReadFile(list)
	if err != nil {
		return nil, err
	}
	var opened files
	for name := range strings.Lines(string(text)) {
		fd, err := unix.Open(strings.TrimSpace(name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, &os.PathError{Op: "open", Path: name, Err: err}
		}
		opened = append(opened, fd)
	}
	return opened, nil
}

// read reads all of them, in the cheapest way there is, and does nothing with it.
func (f files) read() {
	var buf [4096]byte
	for _, fd := range f {
		_, _ = rawread.Pread(fd, buf[:], 0) // a task's that has ended
	}
}
