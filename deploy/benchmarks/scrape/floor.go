package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
)

// serveFloor serves a page that was made beforehand, plain and with gzip: what a
// scrape costs where nothing is measured and nothing encoded.
func serveFloor(ctx context.Context, c config) error {
	plain, err := os.ReadFile(c.floorPlain)
	if err != nil {
		return err
	}
	packed, err := os.ReadFile(c.floorGzip)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
