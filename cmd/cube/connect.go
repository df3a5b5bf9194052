package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/config"

	"cube/cmd/cube/web"
	"cube/scheduler/client"
	"cube/worker/wire"
)

const defaultManager = "http://127.0.0.1:5555"

// connection holds the flags of every command that asks a manager.
type connection struct {
	manager    string
	httpConfig string
	tokenFile  string
	json       bool
}

func (c *connection) addFlags(cmd *kingpin.CmdClause) {
	cmd.Flag("manager", "The manager's URL.").Default(defaultManager).StringVar(&c.manager)
	addHTTPConfigFlag(cmd, "http-config.file", "the manager", &c.httpConfig)
	cmd.Flag("token-file", "File with a token, sent with every request. By default the write token of a manager on this machine is found by its port.").
		StringVar(&c.tokenFile)
	cmd.Flag("output", "table for people, json for programs.").Short('o').Default("table").SetValue(outputFormat{&c.json})
}

func addHTTPConfigFlag(cmd *kingpin.CmdClause, name, peer string, target *string) {
	cmd.Flag(name, "File that says how to reach "+peer+": TLS, basic auth, bearer token, proxy; the http_config of Prometheus.").
		StringVar(target)
}

// outputFormat is the flag value behind --output.
type outputFormat struct{ json *bool }

func (f outputFormat) String() string {
	if f.json != nil && *f.json {
		return "json"
	}
	return "table"
}

func (f outputFormat) Set(text string) error {
	if text != "json" && text != "table" {
		return fmt.Errorf("%q is not an output format: want table or json", text)
	}
	*f.json = text == "json"
	return nil
}

// open returns a client of the manager that the flags name.
func (c *connection) open() (*client.Client, error) {
	transport, err := roundTripper(c.httpConfig, c.tokenFile, "cube-cli")
	if err != nil {
		return nil, err
	}
	return client.New(c.manager, &http.Client{Transport: transport})
}

// httpClientConfig reads a file of the form of Prometheus' http_config; no file
// is the default.
func httpClientConfig(file string) (config.HTTPClientConfig, error) {
	if file == "" {
		return config.DefaultHTTPClientConfig, nil
	}
	loaded, _, err := config.LoadHTTPConfigFile(file)
	if err != nil {
		return config.HTTPClientConfig{}, fmt.Errorf("the HTTP configuration %s: %w", file, err)
	}
	return *loaded, nil
}

// roundTripper reaches a server as the HTTP configuration says, with the write
// token of a server on this machine.
func roundTripper(file, tokenFile, name string) (http.RoundTripper, error) {
	conf, err := httpClientConfig(file)
	if err != nil {
		return nil, err
	}
	inner, err := config.NewRoundTripperFromConfig(conf, name)
	if err != nil {
		return nil, fmt.Errorf("the HTTP configuration %s: %w", file, err)
	}
	return withToken(inner, &conf, tokenFile), nil
}

// withToken sends the write token along, unless the configuration has
// credentials of its own.
func withToken(next http.RoundTripper, conf *config.HTTPClientConfig, tokenFile string) http.RoundTripper {
	if conf.BasicAuth != nil || conf.Authorization != nil || conf.OAuth2 != nil {
		return next
	}
	return &web.TokenTransport{File: tokenFile, Next: next}
}

// resolve finds the task whose ID is id or starts with it, or whose name it is.
// Of several with the name, the one that has not ended is meant; of ended ones,
// the last.
func resolve(ctx context.Context, c *client.Client, id string) (*wire.PlacedTask, error) {
	if id == "" {
		return nil, fmt.Errorf("an empty task ID")
	}
	tasks, err := c.Tasks(ctx)
	if err != nil {
		return nil, err
	}
	found := keep(tasks, func(t *wire.PlacedTask) bool { return strings.HasPrefix(t.ID.String(), strings.ToLower(id)) })
	if len(found) == 0 {
		found = named(tasks, id)
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("there is no task %q; cube ps --all lists them", id)
	case 1:
		return found[0], nil
	default:
		return nil, fmt.Errorf("%q stands for %d tasks, among them %s and %s; give more of the ID",
			id, len(found), found[0].ID, found[1].ID)
	}
}

// named returns the tasks that are meant by a name.
func named(tasks []wire.PlacedTask, name string) []*wire.PlacedTask {
	if live := keep(tasks, func(t *wire.PlacedTask) bool { return t.Name == name && !t.State.Ended() }); len(live) > 0 {
		return live
	}
	ended := keep(tasks, func(t *wire.PlacedTask) bool { return t.Name == name })
	return ended[max(0, len(ended)-1):] // oldest first
}

func keep(tasks []wire.PlacedTask, wanted func(*wire.PlacedTask) bool) []*wire.PlacedTask {
	var kept []*wire.PlacedTask
	for i := range tasks {
		if wanted(&tasks[i]) {
			kept = append(kept, &tasks[i])
		}
	}
	return kept
}
