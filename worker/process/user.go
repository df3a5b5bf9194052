package process

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"

	"cube/worker/process/supervise"
	"cube/worker/task"
)

// defaultPath is what a task that sets no PATH gets: that of a login to Debian.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// account is who a task runs as.
type account struct {
	name, home string
	credential *syscall.Credential // nil: as this process
}

// lookupUser reads "name", "uid", "name:group" or "uid:gid". Empty is the user
// of this process. Only root can run tasks as another user.
func lookupUser(text string) (account, error) {
	if text == "" {
		return ownAccount(), nil
	}
	name, group, grouped := strings.Cut(text, ":")
	a, err := findUser(name, grouped)
	if err == nil && grouped {
		err = a.setGroup(group)
	}
	if err != nil {
		return account{}, fmt.Errorf("the user %q: %w", text, err)
	}
	if os.Geteuid() == 0 {
		return a, nil
	}
	if int(a.credential.Uid) != os.Geteuid() || grouped && int(a.credential.Gid) != os.Getegid() {
		return account{}, fmt.Errorf("the user %q: only root can run a task as another user", text)
	}
	a.credential = nil
	return a, nil
}

// ownAccount is the user of this process, as far as it has a name.
func ownAccount() account {
	if u, err := user.Current(); err == nil {
		return account{name: u.Username, home: u.HomeDir}
	}
	return account{}
}

// findUser looks a name or a number up. A number that no user has will do
// where a group is named too.
func findUser(name string, grouped bool) (account, error) {
	u, err := user.Lookup(name)
	if _, numeric := strconv.ParseUint(name, 10, 32); err != nil && numeric == nil {
		u, err = user.LookupId(name)
		if unknown := user.UnknownUserIdError(0); errors.As(err, &unknown) && grouped {
			id, _ := strconv.ParseUint(name, 10, 32) // checked above
			return account{home: "/", credential: &syscall.Credential{Uid: uint32(id)}}, nil
		}
	}
	if err != nil {
		return account{}, err
	}
	ids, err := u.GroupIds()
	if err != nil {
		return account{}, err
	}
	a := account{name: u.Username, home: u.HomeDir, credential: &syscall.Credential{}}
	if a.credential.Uid, err = parseID(u.Uid); err != nil {
		return account{}, err
	}
	if a.credential.Gid, err = parseID(u.Gid); err != nil {
		return account{}, err
	}
	for _, text := range ids {
		id, err := parseID(text)
		if err != nil {
			return account{}, err
		}
		a.credential.Groups = append(a.credential.Groups, id)
	}
	return a, nil
}

// setGroup makes the named group the only one.
func (a *account) setGroup(name string) error {
	text := name
	if g, err := user.LookupGroup(name); err == nil {
		text = g.Gid
	}
	id, err := parseID(text)
	if err != nil {
		return fmt.Errorf("there is no group %q", name)
	}
	a.credential.Gid, a.credential.Groups = id, nil
	return nil
}

func parseID(text string) (uint32, error) {
	id, err := strconv.ParseUint(text, 10, 32)
	return uint32(id), err
}

// environment is the task's own, with PATH, HOME and USER where it does not
// set them, and the key of the run.
func environment(t *task.Task, a account, key string) []string {
	env := make([]string, 0, len(t.Env)+4)
	for _, given := range [...]struct{ name, value string }{
		{"PATH", defaultPath}, {"HOME", a.home}, {"USER", a.name},
	} {
		if given.value != "" && supervise.Lookup(t.Env, given.name) == "" {
			env = append(env, given.name+"="+given.value)
		}
	}
	env = append(env, t.Env...)
	return append(env, runVariable+"="+key)
}

// hostPorts are the ports that the task exposes, which are the machine's own.
func hostPorts(t *task.Task) (map[string][]task.PortBinding, error) {
	ports := map[string][]task.PortBinding{}
	add := func(text, host string) error {
		port, err := task.ParsePort(text)
		if err != nil {
			return err
		}
		own := strconv.Itoa(int(port.Number))
		if host != "" && host != "0" && host != own {
			return fmt.Errorf("port %s cannot be bound to %s: a process listens on the machine's own ports", port, host)
		}
		ports[port.String()] = []task.PortBinding{{HostIp: "0.0.0.0", HostPort: own}}
		return nil
	}
	var errs []error
	for text := range t.ExposedPorts {
		errs = append(errs, add(text, ""))
	}
	for text, host := range t.PortBindings {
		errs = append(errs, add(text, host))
	}
	return ports, errors.Join(errs...)
}
