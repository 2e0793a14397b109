// SPDX-License-Identifier: MPL-2.0

package network

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/userns"
	"github.com/carosio/carosbuild/pkg/userns/usernstest"
)

func TestMain(m *testing.M) {
	usernstest.Main(m, map[string]func(args []string) int{"closed": closed, "bound": bound})
}

// closed DIR OPEN ADDRESS...: prints which of the addresses can be reached from a network
// with the port of OPEN.
func closed(args []string) int {
	if err := tryClosed(args[0], args[1], args[2:]); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func tryClosed(dir, open string, addresses []string) error {
	if err := userns.MountScratch(dir); err != nil {
		return err
	}
	c, err := Open(context.Background(), Setting{Dir: dir, Runtime: filepath.Join(dir, "none"), Servers: []string{open}})
	if err != nil {
		return err
	}
	if !c.Lives() {
		return errors.New("it does not live")
	}
	inThread(func() {
		fd, err := unix.Open(c.NetNS, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Setns(fd, unix.CLONE_NEWNET)
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, a := range addresses {
			fmt.Println(a, reached(a))
		}
	})
	if err := errors.Join(c.Close(), c.Close()); err != nil {
		return err
	}
	if out, err := exec.Command("pgrep", "-P", fmt.Sprint(os.Getpid())).Output(); err == nil {
		return fmt.Errorf("processes are left: %s", out)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "netns"))
	if err != nil || len(entries) > 0 || c.Lives() {
		return fmt.Errorf("%v, %v are left", err, entries)
	}
	return nil
}

// reached reports whether something answers.
func reached(address string) bool {
	kind := "tcp"
	if strings.HasPrefix(address, "@") {
		kind = "unix"
	}
	c, err := net.DialTimeout(kind, address, 2*time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	b, _ := io.ReadAll(c)
	return len(b) > 0
}

// listen starts a server that answers, and returns its address.
func listen(t *testing.T, kind, address string) string {
	t.Helper()
	l, err := net.Listen(kind, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("reached"))
			c.Close()
		}
	}()
	return l.Addr().String()
}

// ownAddress is an address of this host that others can reach, "" if it has none.
func ownAddress(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	return ""
}

// From a network, addresses that others can reach and the named port of the loopback can be
// reached, but not the rest of the loopback, abstract sockets, or the host by the gateway.
func TestClosed(t *testing.T) {
	loop := listen(t, "tcp", "127.0.0.1:0")
	_, port, _ := net.SplitHostPort(loop)
	proxy := listen(t, "tcp", "127.0.0.1:0")
	abstract := listen(t, "unix", fmt.Sprintf("@carosbuild-test-%d", os.Getpid()))
	want := loop + " false\n" + "[::1]:" + port + " false\n" + gateway + ":" + port + " false\n" + forwarder + ":" + port + " false\n" + abstract + " false\n" + proxy + " true\n"
	addresses := []string{loop, "[::1]:" + port, gateway + ":" + port, forwarder + ":" + port, abstract, proxy}
	if own := ownAddress(t); own != "" {
		there := listen(t, "tcp", own+":0")
		addresses, want = append(addresses, there), want+there+" true\n"
	}
	for _, a := range []string{loop, proxy, abstract} {
		if !reached(a) {
			t.Fatalf("%s is not reached from here", a)
		}
	}
	_, refused := look()
	for how, name := range map[userns.How]string{userns.Ranges: "ranges", userns.OneID: "one id"} {
		t.Run(name, func(t *testing.T) {
			out, status := usernstest.EnterAs(t, how, "closed", append([]string{filepath.Join(t.TempDir(), "scratch"), "http://" + proxy}, addresses...)...)
			if host, ok := errors.AsType[*remedy.Error](refused); ok {
				if status == 0 || !strings.Contains(out, host.Tried) {
					t.Errorf("without what it needs: status %d, %s; want %v", status, out, refused)
				}
				return
			}
			if diff := cmp.Diff(out, want); diff != "" || status != 0 {
				t.Errorf("status %d (-got +want):\n%s", status, diff)
			}
		})
	}
}

// On a host without pasta, the error names the package.
func TestLook(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := look(); !remedy.Is(err) || !strings.Contains(err.Error(), "apt-get install passt") {
		t.Errorf("without pasta: %v", err)
	}
}
