// SPDX-License-Identifier: MPL-2.0

package cli

import (
	"os"

	"golang.org/x/term"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
)

// NewDisplay is the display that --progress asks for.
func (a *App) NewDisplay() (render.Display, error) {
	f, isFile := a.Stderr.(*os.File)
	tty := isFile && term.IsTerminal(int(f.Fd()))
	switch a.Progress {
	case "quiet":
		return render.Quiet{}, nil
	case "json":
		return render.NewJSON(a.events()), nil
	case "plain":
		a.outputShown = true
		return render.NewPlain(a.Stderr), nil
	case "tty":
		return render.NewLive(a.Stderr, render.TerminalSize(f), a.color()), nil
	case "auto":
		if tty && a.Getenv("TERM") != "dumb" && a.Getenv("CI") == "" {
			return render.NewLive(a.Stderr, render.TerminalSize(f), a.color()), nil
		}
		a.outputShown = true
		return render.NewPlain(a.Stderr), nil
	}
	return nil, Usagef("--progress %q: want auto, tty, plain, json or quiet", a.Progress)
}
