package main

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// fetch asks for a path with one header and returns the answer, read whole.
func fetch(t *testing.T, method, url, header, value string) (*http.Response, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != "" {
		request.Header.Set(header, value)
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, body
}

// TestWorkerPages: what a worker serves besides tasks, to whom it asks how.
func TestWorkerPages(t *testing.T) {
	env := []string{"XDG_CONFIG_HOME=" + t.TempDir()}
	w := startCube(t, env, "worker", "--runtime=process", "--web.listen-address=127.0.0.1:0", "--data-dir="+t.TempDir(),
		"--web.metrics-address=127.0.0.1:0", "--web.disable-exporter-metrics")
	base := w.url()
	metrics := w.await(`metrics=(http://[^ "]+)`, time.Second)
	t.Run("formats", func(t *testing.T) {
		for accept, want := range map[string]string{
			"":                             "text/plain; version=0.0.4",
			"application/openmetrics-text": "application/openmetrics-text",
			"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited": "application/vnd.google.protobuf",
		} {
			response, body := fetch(t, "GET", metrics+"/metrics", "Accept", accept)
			if got := response.Header.Get("Content-Type"); !strings.HasPrefix(got, want) || len(body) == 0 {
				t.Errorf("Accept %q: %q, %d bytes", accept, got, len(body))
			}
		}
	})
	t.Run("compression", func(t *testing.T) {
		readers := map[string]func(io.Reader) (io.Reader, error){
			"gzip": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
			"zstd": func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) },
		}
		for name, open := range readers {
			response, body := fetch(t, "GET", metrics+"/metrics", "Accept-Encoding", name)
			reader, err := open(strings.NewReader(string(body)))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			text, err := io.ReadAll(reader)
			if err != nil || response.Header.Get("Content-Encoding") != name || !strings.Contains(string(text), "cube_cpu_cores") {
				t.Errorf("%s: %v, %v", name, response.Header, err)
			}
		}
	})
	t.Run("narrowed", func(t *testing.T) {
		_, body := fetch(t, "GET", metrics+"/metrics?collect[]=cpu", "", "")
		if text := string(body); !strings.Contains(text, "cube_cpu_cores") || strings.Contains(text, "cube_memory") || strings.Contains(text, "cube_tasks") {
			t.Errorf("only the CPU was asked for:\n%s", text)
		}
		_, body = fetch(t, "GET", metrics+"/metrics?exclude[]=cpu", "", "")
		if text := string(body); strings.Contains(text, "cube_cpu_cores") || !strings.Contains(text, "cube_memory_total_bytes") || !strings.Contains(text, "cube_tasks{") {
			t.Errorf("all but the CPU was asked for:\n%s", text)
		}
		response, body := fetch(t, "GET", metrics+"/metrics?collect[]=gpu", "", "")
		if response.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), `gpu`) {
			t.Errorf("an unknown source: %s, %s", response.Status, body)
		}
	})
	t.Run("who else", func(t *testing.T) {
		for path, want := range map[string]int{
			base + "/metrics": 404, base + "/debug/pprof/": 404, base + "/": 200, base + "/-/healthy": 200, base + "/-/ready": 200, base + "/stats": 200,
			metrics + "/tasks": 404, metrics + "/-/healthy": 200,
		} {
			if response, body := fetch(t, "GET", path, "", ""); response.StatusCode != want {
				t.Errorf("%s: %s, %s; want %d", path, response.Status, body, want)
			}
		}
		if response, body := fetch(t, "HEAD", metrics+"/metrics", "", ""); response.StatusCode != 200 || len(body) > 0 {
			t.Errorf("HEAD: %s, %d bytes", response.Status, len(body))
		}
		_, body := fetch(t, "GET", metrics+"/metrics", "", "")
		for _, absent := range []string{"go_goroutines", "process_cpu", "promhttp_"} {
			if strings.Contains(string(body), absent) {
				t.Errorf("%s is there though it was to be left out", absent)
			}
		}
	})
}

// node_exporter#2530, #1880: how many CPUs an exporter uses at once was fixed at 1
// with no way to say otherwise.
func TestCPUsOfTheWorkerItself(t *testing.T) {
	for name, test := range map[string]struct {
		env, args []string
		want      string
	}{
		"as it ships":   {want: "1"},
		"by a variable": {env: []string{"GOMAXPROCS=2"}, want: "2"},
		"by a flag":     {env: []string{"GOMAXPROCS=2"}, args: []string{"--runtime.gomaxprocs=3"}, want: "3"},
	} {
		w := startCube(t, append([]string{"XDG_CONFIG_HOME=" + t.TempDir()}, test.env...),
			append([]string{"worker", "--runtime=process", "--web.listen-address=127.0.0.1:0", "--data-dir=" + t.TempDir()}, test.args...)...)
		if _, body := fetch(t, "GET", w.url()+"/metrics", "", ""); !strings.Contains(string(body), "\ngo_sched_gomaxprocs_threads "+test.want+"\n") {
			t.Errorf("%s: not %s", name, test.want)
		}
	}
}

// node_exporter#2860, #3747: profiles were there for everybody, always.
func TestProfilesOnRequest(t *testing.T) {
	env := []string{"XDG_CONFIG_HOME=" + t.TempDir()}
	w := startCube(t, env, "worker", "--runtime=process", "--web.listen-address=127.0.0.1:0", "--data-dir="+t.TempDir(),
		"--web.enable-pprof", "--web.telemetry-path=/figures")
	if response, _ := fetch(t, "GET", w.url()+"/debug/pprof/", "", ""); response.StatusCode != 200 {
		t.Errorf("profiles: %s", response.Status)
	}
	if _, body := fetch(t, "GET", w.url()+"/figures", "", ""); !strings.Contains(string(body), "cube_cpu_cores") {
		t.Errorf("the page at its own path: %s", body)
	}
}
