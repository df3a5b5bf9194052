package main

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"cube/worker/task"
)

// TestPageInABrowser: Chromium shows the manager's nodes and tasks, names that
// are meant to be markup as text, and has nothing to complain of; as wide as a
// desk's screen and as a phone's.
func TestPageInABrowser(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("there is no chromium to show the page with")
	}
	f := startSmall(t)
	if placed := f.run(t, "--name=shown", "--", "sleep", "600"); placed.State != task.Running {
		t.Fatalf("the task is %s: %s", placed.State, placed.PendingReason)
	}
	join(t, f.managerURL, `{"URL":"http://127.0.0.1:1","Name":"<b>bold"}`, readToken(t, f.env, f.managerURL))
	for _, size := range []string{"1280,800", "412,900"} {
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
		defer cancel()
		browser := exec.CommandContext(ctx, chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
			"--window-size="+size, "--virtual-time-budget=4000", "--user-data-dir="+t.TempDir(), "--dump-dom", f.managerURL+"/")
		var said strings.Builder
		browser.Stderr = &said
		page, err := browser.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, said.String())
		}
		for _, want := range []string{f.idleName, "shown", "&lt;b&gt;bold"} {
			if !strings.Contains(string(page), want) {
				t.Errorf("%s: the page does not show %q:\n%s", size, want, page)
			}
		}
		if strings.Contains(string(page), "<b>bold") {
			t.Errorf("%s: a name has become markup", size)
		}
		for line := range strings.Lines(said.String()) {
			if strings.Contains(line, "CONSOLE") {
				t.Errorf("%s: the browser says %s", size, line)
			}
		}
	}
}
