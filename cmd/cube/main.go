package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/common/promslog/flag"
	"github.com/prometheus/common/version"
)

func main() {
	// Never given back: a second signal, while the program ends by the first,
	// must not make a death by signal of its exit status.
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// cli is what the subcommands share.
type cli struct {
	stdout, stderr io.Writer
	logConfig      promslog.Config
	commands       map[string]func(context.Context) error
}

// run is the whole program: it parses args, runs the subcommand until it is done
// or ctx ends, and returns the exit status: 0, or 1 with one sentence on stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c := &cli{stdout: stdout, stderr: stderr, commands: map[string]func(context.Context) error{}}
	app := kingpin.New("cube", "Measures Linux machines and places tasks on them by what it measures.").
		DefaultEnvars().UsageWriter(stdout).ErrorWriter(stderr)
	app.HelpFlag.Short('h')
	app.Version(version.Print("cube"))
	flag.AddFlags(app, &c.logConfig)
	c.logConfig.Writer = stderr
	c.register(app)

	command, ended, err := parse(app, args)
	if ended {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "cube: %v; see cube --help\n", err)
		return 1
	}
	if err := c.commands[command](ctx); err != nil {
		fmt.Fprintf(stderr, "cube: %v\n", err)
		return 1
	}
	return 0
}

// parse returns the subcommand that args name. ended says that there is none,
// since --help or --version was asked for and has been answered.
func parse(app *kingpin.Application, args []string) (command string, ended bool, err error) {
	// They end the program in the middle of parsing, where exit(2) would.
	type end struct{}
	app.Terminate(func(int) { panic(end{}) })
	defer func() {
		if cause := recover(); cause != nil {
			if _, ended = cause.(end); !ended {
				panic(cause)
			}
		}
	}()
	command, err = app.Parse(args)
	return command, false, err
}

// register adds the subcommands, in the order in which help lists them.
func (c *cli) register(app *kingpin.Application) {
	c.registerDev(app)
	c.registerWorker(app)
	c.registerManager(app)
	c.registerRun(app)
	c.registerPs(app)
	c.registerNodes(app)
	c.registerLogs(app)
	c.registerStop(app)
	c.registerExplain(app)
	c.registerSimulate(app)
	c.registerNode(app)
	c.registerBackup(app)
}

// command adds a subcommand whose body is body.
func (c *cli) command(app *kingpin.Application, name, help string, body func(context.Context) error) *kingpin.CmdClause {
	c.commands[name] = body
	return app.Command(name, help)
}

func (c *cli) logger() *slog.Logger { return promslog.New(&c.logConfig) }
