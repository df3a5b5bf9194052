package docker

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPullSaysHowFarItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := &Runtime{log: slog.New(slog.NewTextHandler(&log, nil)), progress: progressEvery}
		account, engine := io.Pipe()
		done := make(chan error)
		go func() { done <- r.followPull(context.Background(), "big:1", account) }()
		say := func(line string) {
			if _, err := io.WriteString(engine, line+"\n"); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
		say(`{"status":"Pulling from library/big","id":"1"}`)
		say(`{"status":"Downloading","id":"a","progressDetail":{"current":1000,"total":5000}}`)
		say(`{"status":"Downloading","id":"b","progressDetail":{"current":200,"total":200}}`)
		if log.Len() != 0 {
			t.Errorf("it said at once: %s", log.String())
		}
		<-time.After(progressEvery)
		say(`{"status":"Downloading","id":"a","progressDetail":{"current":3000,"total":5000}}`)
		say(`{"status":"Downloading","id":"a","progressDetail":{"current":3001,"total":5000}}`)
		if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "image=big:1 layers=2 bytes=3200") {
			t.Errorf("after %v it has said %q; want one line with 3200 bytes of 2 layers", progressEvery, got)
		}
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Errorf("the account came to its end: %v", err)
		}
	})
}

func TestPullFailsAsTheAccountSays(t *testing.T) {
	r := &Runtime{log: slog.New(slog.DiscardHandler), progress: progressEvery}
	for _, test := range []struct{ name, account, want string }{
		{"an error", `{"status":"Pulling"}{"errorDetail":{"message":"no space left"},"error":"no space left"}{"status":"x"}`, "no space left"},
		{"cut off", `{"status":"Pulling"}{"stat`, "unexpected EOF"},
		{"no account", `<html>`, "invalid character"},
	} {
		err := r.followPull(t.Context(), "a:1", strings.NewReader(test.account))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v; want %q", test.name, err, test.want)
		}
	}
}
