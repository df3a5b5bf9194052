// Program is what the tests run in containers and processes. Its arguments say
// what it does, one step after the other:
//
//	out TEXT       writes a line to standard output
//	err TEXT       writes a line to standard error
//	env NAME       writes the variable's value to standard output
//	whoami         writes uid, gid and working directory to standard output
//	write PATH     writes a file
//	spin DURATION  keeps one thread per CPU busy for so long
//	take BYTES     takes so much memory, and touches it
//	wait DURATION  does nothing for so long
//	serve PORT     answers HTTP in the background: GET / with 200
//	exit CODE      ends with the code
//	term CODE      from here on ends with the code when SIGTERM comes
//	deaf           from here on ignores SIGTERM
//	forever        does nothing until a signal ends it
//
// After the last step it ends with code 0.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

func main() {
	args := os.Args[1:]
	for len(args) > 0 {
		step := args[0]
		args = args[1:]
		argument := ""
		if len(args) > 0 && !alone(step) {
			argument, args = args[0], args[1:]
		}
		if err := run(step, argument); err != nil {
			fmt.Fprintf(os.Stderr, "%s %s: %v\n", step, argument, err)
			os.Exit(2)
		}
	}
}

// alone reports whether the step takes no argument.
func alone(step string) bool { return step == "whoami" || step == "deaf" || step == "forever" }

func run(step, argument string) error {
	switch step {
	case "out":
		fmt.Println(argument)
	case "err":
		fmt.Fprintln(os.Stderr, argument)
	case "env":
		fmt.Println(os.Getenv(argument))
	case "whoami":
		dir, err := os.Getwd()
		if err != nil {
			return err
		}
		fmt.Println(os.Getuid(), os.Getgid(), dir)
	case "write":
		return os.WriteFile(argument, []byte(argument), 0o600)
	case "spin":
		return spin(argument)
	case "take":
		return take(argument)
	case "wait":
		d, err := time.ParseDuration(argument)
		if err != nil {
			return err
		}
		<-time.After(d)
	case "serve":
		return serve(argument)
	case "exit":
		code, err := strconv.Atoi(argument)
		if err != nil {
			return err
		}
		os.Exit(code)
	case "term":
		return term(argument)
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
	case "forever":
		// A sleeping main goroutine alone would be taken for a deadlock.
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGHUP)
		<-signals
	default:
		return fmt.Errorf("there is no such step")
	}
	return nil
}

func spin(duration string) error {
	d, err := time.ParseDuration(duration)
	if err != nil {
		return err
	}
	until := time.Now().Add(d)
	done := make(chan struct{})
	for range runtime.NumCPU() {
		go func() {
			for time.Now().Before(until) {
			}
			done <- struct{}{}
		}()
	}
	for range runtime.NumCPU() {
		<-done
	}
	return nil
}

func take(bytes string) error {
	n, err := strconv.Atoi(bytes)
	if err != nil {
		return err
	}
	taken := make([]byte, n)
	for i := 0; i < len(taken); i += os.Getpagesize() {
		taken[i] = 1
	}
	fmt.Println("took", len(taken))
	return nil
}

func serve(port string) error {
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return err
	}
	go func() {
		err := http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(w, "served")
		}))
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}()
	return nil
}

func term(code string) error {
	n, err := strconv.Atoi(code)
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	go func() {
		<-signals
		fmt.Println("got SIGTERM")
		os.Exit(n)
	}()
	return nil
}
