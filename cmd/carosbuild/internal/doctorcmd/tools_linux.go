// SPDX-License-Identifier: MPL-2.0

package doctorcmd

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/source/debian"
)

// emulation tries programs for the architectures of the built-in boards.
func (c *checkup) emulation(ctx context.Context, box engine.Sandbox) {
	for _, arch := range []string{"amd64", "arm64", "arm"} {
		if arch == runtime.GOARCH {
			continue
		}
		err := box.Emulate(ctx, arch)
		var host *remedy.Error
		switch {
		case err == nil:
			c.line("ok", arch, "its programs run here")
		case errors.As(err, &host):
			c.lack(arch, render.Printable(host.Tried), host.Cure)
		default:
			c.line("missing", arch, "its programs do not run here: "+render.Printable(err.Error()))
		}
	}
}

// mirror sends a request to the Debian mirror.
func (c *checkup) mirror(ctx context.Context) {
	const what, cure = "mirror", "for <bootstrap>: set " + debian.EnvMirror + ", or a proxy"
	host, err := debian.ReadHost("/", c.Getenv)
	if err != nil {
		c.line("missing", what, "the host's apt configuration cannot be read: "+render.Printable(err.Error()))
		return
	}
	if host.Mirror == "" {
		c.lack(what, "the host names no Debian mirror, the public one is taken", cure)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, strings.TrimSuffix(host.Mirror, "/")+"/dists/stable/InRelease", http.NoBody)
	if err != nil {
		c.lack(what, render.Printable(err.Error()), cure)
		return
	}
	res, err := host.HTTPClient().Do(req)
	if err != nil {
		c.lack(what, render.Printable(err.Error()), cure)
		return
	}
	_, _ = io.Copy(io.Discard, res.Body) // the answer to HEAD has none
	res.Body.Close()
	if res.StatusCode >= 400 {
		c.lack(what, render.Printable(req.URL.Redacted())+": "+render.Printable(res.Status), cure)
		return
	}
	c.line("ok", what, render.Printable(host.Mirror)+" answers")
}

// tools are programs that some builds and commands run.
func (c *checkup) tools() {
	for _, t := range []struct{ name, use, pkg string }{
		{"git", "git layers", "git"},
		{"qemu-img", "carosbuild boot", "qemu-utils"},
		{"qemu-system-x86_64", "carosbuild boot, of disks for PCs", "qemu-system-x86"},
		{"qemu-system-arm", "carosbuild boot, of boards", "qemu-system-arm"},
	} {
		path, err := exec.LookPath(t.name)
		if err != nil {
			c.lack(t.name, "for "+t.use, "apt-get install "+t.pkg)
			continue
		}
		c.line("ok", t.name, path)
	}
}
