// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// freshScript is what a person does on a new machine, after the README: an
// account with sudo, a clone, and the first command.
const freshScript = `set -e
useradd --create-home --shell /bin/bash dev
echo 'dev ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/dev
git config --system --add safe.directory '*'
cat >/home/dev/try <<'END'
set -e
git clone --quiet file:///src caros
cd caros
make caros.vmdk
ls -l caros.vmdk
bin/carosbuild inspect caros.vmdk
END
su - dev -c "$KEEP bash ./try"
`

// A privileged container with an ordinary user in it, whose HOME is on the
// container's overlay root, has neither Go nor carosbuild's packages: the
// README's first command makes a disk there. It takes several minutes and needs
// the superuser: make fresh.
func TestFreshContainer(t *testing.T) {
	if os.Getenv("CAROSBUILD_FRESH") == "" {
		t.Skip("make fresh runs it, as root")
	}
	pod, err := filepath.Abs("../../shared/tools/pod")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(pod); err != nil {
		t.Fatal("shared/tools/pod, which imitates a container, is not beside this checkout")
	}
	base, top := t.TempDir(), filepath.Dir(mustAbs(t, "."))
	root := filepath.Join(base, "rootfs")
	run := func(name string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Env = append(os.Environ(), "POD_BASE="+base)
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		err := cmd.Run()
		t.Logf("%s\n%s", name, tailOf(out.String()))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	run(tool(t, "mmdebstrap"), "--quiet", "--variant=minbase", "--include=sudo,git,make,ca-certificates", "bookworm", root)
	keep := ""
	for _, v := range []string{"GOPROXY", "GOSUMDB", "http_proxy", "https_proxy"} {
		if s := os.Getenv(v); s != "" {
			keep += v + "='" + s + "' "
		}
	}
	const certificates = "/etc/ssl/certs/ca-certificates.crt" // a company's proxy may have one of its own
	run(pod, "priv", "--env", "KEEP="+keep, "--mount", top+":/src:ro", "--mount", certificates+":"+certificates+":ro", "--", "bash", "-c", freshScript)
}

func mustAbs(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}
