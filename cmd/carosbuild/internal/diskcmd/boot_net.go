// SPDX-License-Identifier: MPL-2.0

package diskcmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/qemu"
)

// parseForwards parses HOST:GUEST.
func parseForwards(all []string) ([]qemu.Forward, error) {
	var out []qemu.Forward
	for _, s := range all {
		host, guest, ok := strings.Cut(s, ":")
		h, herr := strconv.ParseUint(host, 10, 16)
		g, gerr := strconv.ParseUint(guest, 10, 16)
		if !ok || herr != nil || gerr != nil || h == 0 || g == 0 {
			return nil, cli.Usagef("--forward %q: want HOST:GUEST, two TCP ports such as 8080:80", s)
		}
		out = append(out, qemu.Forward{Host: uint16(h), Guest: uint16(g)})
	}
	return out, nil
}

// addSSH adds a key and a forward to port 22, and says how to log in.
func (c *bootCommand) addSSH(ctx context.Context, opened *disk.Opened, o *qemu.Options) error {
	if err := qemu.CheckKey(opened, opened.Size()); err != nil {
		return err
	}
	d, err := c.Dirs()
	if err != nil {
		return err
	}
	key, err := sshKey(ctx, filepath.Join(d.State, "ssh"))
	if err != nil {
		return err
	}
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		return err
	}
	o.Key = strings.TrimSpace(string(public))
	port := uint16(0)
	for _, f := range o.Forwards {
		if f.Guest == 22 {
			port = f.Host
		}
	}
	if port == 0 {
		if port, err = freePort(ctx); err != nil {
			return err
		}
		o.Forwards = append(o.Forwards, qemu.Forward{Host: port, Guest: 22})
	}
	_, err = fmt.Fprintf(c.Stderr, "log in with: ssh -i %s -p %d -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null root@127.0.0.1\n", render.QuoteArg(key), port)
	return err
}

// sshKey is the private key, in a directory, that guests of this user accept. It is
// generated once.
func sshKey(ctx context.Context, dir string) (string, error) {
	key := filepath.Join(dir, "id_ed25519")
	if _, err := os.Stat(key + ".pub"); !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	program, err := exec.LookPath("ssh-keygen")
	if err != nil {
		return "", missing(&qemu.MissingError{What: "ssh-keygen", Package: "openssh-client"})
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, program, "-q", "-t", "ed25519", "-N", "", "-C", "carosbuild boot", "-f", key)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("ssh-keygen: %w: %s", err, render.Printable(strings.TrimSpace(string(out))))
	}
	return key, nil
}

// freePort is a TCP port that is not in use.
func freePort(ctx context.Context) (uint16, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return uint16(l.Addr().(*net.TCPAddr).Port), nil
}
