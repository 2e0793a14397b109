// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// nodeXML is a small declaration: owners, modes, links and a FIFO, and a disk. It
// needs no network, and busybox beside it.
const nodeXML = `<redo>
	<buildstage id="base">
		<action>FROM scratch</action>
		<action>ADD busybox /bin/busybox</action>
		<action>RUN ["/bin/busybox", "--install", "-s", "/bin"]</action>
		<action>RUN echo x >/f &amp;&amp; chown 33:44 /f &amp;&amp; chmod 4750 /f &amp;&amp; ln /f /g &amp;&amp; ln -s f /l &amp;&amp; mkfifo /p</action>
	</buildstage>
	<buildstage id="system">
		<prestage>base</prestage>
		<action>RUN rm /g &amp;&amp; mkdir -m 1777 /d &amp;&amp; touch /d/e &amp;&amp; chown -h 7:8 /l</action>
	</buildstage>
	<disk id="node" stage="system" size="32M"><partition name="root" fs="ext4" size="rest" path="/"/></disk>
</redo>
`

// containers imitates those of CI with shared/tools/pod.
type containers struct {
	tool string
	base string // has the root file system, and a folder for each container
}

// newContainers makes no containers yet. The root file system is Debian with runc and
// newuidmap; where CAROSBUILD_TEST_CACHE is set, it is kept there.
func newContainers(t *testing.T) *containers {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only the superuser can imitate containers of CI")
	}
	tools, err := filepath.Abs("../../shared/tools/pod")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(tools); err != nil {
		missing(t, "there is no shared/tools/pod beside this checkout, which imitates containers")
	}
	tool(t, "runc")
	tool(t, "mmdebstrap")
	base, err := os.MkdirTemp(os.Getenv("CAROSBUILD_TEST_DIR"), "carosbuild-pods-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(base); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(base, 0o755); err != nil {
		t.Fatal(err)
	}
	if cache := os.Getenv("CAROSBUILD_TEST_CACHE"); cache != "" {
		root := filepath.Join(cache, "pods/rootfs")
		if err := os.MkdirAll(filepath.Dir(root), 0o755); err != nil {
			t.Fatal(err)
		}
		c := &containers{tool: tools, base: filepath.Dir(root)}
		c.run(t, "E4", nil, t.TempDir(), "true") // makes it
		if err := os.Symlink(root, filepath.Join(base, "rootfs")); err != nil {
			t.Fatal(err)
		}
	}
	return &containers{tool: tools, base: base}
}

// run runs a script in a container of a kind, with options of the tool. The folder work
// is a volume at /workspace, the current one.
func (c *containers) run(t *testing.T, kind string, options []string, work, script string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.tool, append(append([]string{kind}, options...), "--mount", "/etc/apt:/etc/apt:ro", "--", "sh", "-c", script)...)
	cmd.Env = append(os.Environ(), "POD_BASE="+c.base, "PODWORK="+work, "CAROSBUILD="+program(t))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	return ran(t, cmd)
}

// nodeFolder is a new folder with nodeXML and what it adds.
func nodeFolder(t *testing.T, parent string) string {
	t.Helper()
	dir, err := os.MkdirTemp(parent, "work-")
	if err != nil {
		t.Fatal(err)
	}
	withBusybox(t, dir, "node.xml", nodeXML)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// fileSum is the SHA-256 of a file in hex, "" where there is none.
func fileSum(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
