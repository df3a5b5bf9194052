package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/alecthomas/kingpin/v2"
)

func (c *cli) registerBackup(app *kingpin.Application) {
	var conn connection
	var path string
	cmd := c.command(app, "backup", "Copy the manager's state to a file, while it runs. To restore, put the copy in place of manager.db.",
		func(ctx context.Context) error { return c.backup(ctx, &conn, path) })
	conn.addFlags(cmd)
	cmd.Arg("file", "The copy; it must not be there yet.").Required().StringVar(&path)
}

func (c *cli) backup(ctx context.Context, conn *connection, path string) error {
	manager, err := conn.open()
	if err != nil {
		return err
	}
	// It holds the tasks' environments: for its owner only.
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("the backup: %w", err)
	}
	size, err := manager.Backup(ctx, file)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return errors.Join(fmt.Errorf("the backup is not whole, and removed: %w", err), os.Remove(path))
	}
	if conn.json {
		return printJSON(c.stdout, map[string]any{"File": path, "Bytes": size})
	}
	fmt.Fprintf(c.stdout, "%s: %d bytes\n", path, size)
	return nil
}
