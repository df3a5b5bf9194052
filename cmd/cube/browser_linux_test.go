package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"cube/worker/task"
)

// TestPageInABrowser: Chromium shows the manager's nodes and tasks, names that
// are meant to be markup as text, and has nothing to complain of. On a phone
// nothing is wider than the screen, however long the names are.
func TestPageInABrowser(t *testing.T) {
	t.Parallel()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("there is no chromium to show the page with")
	}
	f := startSmall(t)
	long := strings.Repeat("long", 15)
	for _, name := range []string{"shown", long} {
		if placed := f.run(t, "--name="+name, "--", "sleep", "600"); placed.State != task.Running {
			t.Fatalf("the task is %s: %s", placed.State, placed.PendingReason)
		}
	}
	f.run(t, "--name=waits", "--memory=1000GiB", "--", "sleep", "600")
	token := readToken(t, f.env, f.managerURL)
	join(t, f.managerURL, `{"URL":"http://127.0.0.1:1","Name":"<b>bold"}`, token)
	for n := range 40 {
		join(t, f.managerURL, fmt.Sprintf(`{"URL":"http://%s-%d.invalid:1","Name":"%[1]s%[1]s%[1]s-%[2]d","Labels":{"%[1]s":"%[1]s"}}`, long, n), token)
	}
	shows := []string{f.idleName, "shown", long, long + "-39", "&lt;b&gt;bold"}
	checkPage(t, browse(t, chromium, f.managerURL+"/"), shows)

	page := browse(t, chromium, onAPhone(t, f.managerURL)+"/phone")
	checkPage(t, page, shows)
	found := regexp.MustCompile(`data-content="(\d+)" data-screen="(\d+)"`).FindStringSubmatch(page)
	if found == nil {
		t.Fatalf("the phone does not say how wide its page is:\n%s", page)
	}
	content, err := strconv.Atoi(found[1])
	if screen := found[2]; err != nil || screen != "360" || content > 360 {
		t.Errorf("on a screen of %s pixels the page is %s wide", screen, found[1])
	}
}

// browse returns a page as it is once its script has run.
func browse(t *testing.T, chromium, address string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	browser := exec.CommandContext(ctx, chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
		"--window-size=1280,800", "--virtual-time-budget=4000", "--user-data-dir="+t.TempDir(), "--dump-dom", address)
	var said strings.Builder
	browser.Stderr = &said
	page, err := browser.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, said.String())
	}
	for line := range strings.Lines(said.String()) {
		if strings.Contains(line, "CONSOLE") {
			t.Errorf("%s: the browser says %s", address, line)
		}
	}
	return string(page)
}

func checkPage(t *testing.T, page string, shows []string) {
	t.Helper()
	for _, want := range shows {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not show %q:\n%s", want, page)
		}
	}
	if strings.Contains(page, "<b>bold") {
		t.Error("a name has become markup")
	}
}

// phone is a screen of a phone's width, beside what is on it. Windows of a
// browser without a screen cannot be as narrow.
const phone = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<iframe src="/" style="width: 360px; height: 800px; border: 0"></iframe><div id="on"></div>
<script>
setInterval(() => {
  const page = document.querySelector("iframe").contentDocument, on = document.getElementById("on");
  on.innerHTML = page.body.innerHTML;
  on.dataset.content = page.scrollingElement.scrollWidth;
  on.dataset.screen = page.defaultView.innerWidth;
}, 500);
</script>`

// onAPhone serves a manager's pages such that another page can look into them,
// and that one at /phone. It returns its URL.
func onAPhone(t *testing.T, managerURL string) string {
	t.Helper()
	target, err := url.Parse(managerURL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(answer *http.Response) error {
			answer.Header.Del("Content-Security-Policy")
			answer.Header.Del("X-Frame-Options")
			return nil
		},
	}
	mux := http.NewServeMux()
	mux.Handle("/", proxy)
	mux.HandleFunc("/phone", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, phone) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}
