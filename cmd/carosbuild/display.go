// SPDX-License-Identifier: MPL-2.0

package main

import (
	"os"

	"golang.org/x/term"
)

// newDisplay is the display that --progress asks for.
func (a *app) newDisplay() (display, error) {
	f, isFile := a.stderr.(*os.File)
	tty := isFile && term.IsTerminal(int(f.Fd()))
	switch a.progress {
	case "quiet":
		return quiet{}, nil
	case "json":
		return newJSONDisplay(a.events()), nil
	case "plain":
		a.outputShown = true
		return newPlain(a.stderr), nil
	case "tty":
		return newLive(a.stderr, terminalSize(f), a.color()), nil
	case "auto":
		if tty && a.getenv("TERM") != "dumb" && a.getenv("CI") == "" {
			return newLive(a.stderr, terminalSize(f), a.color()), nil
		}
		a.outputShown = true
		return newPlain(a.stderr), nil
	}
	return nil, usagef("--progress %q: want auto, tty, plain, json or quiet", a.progress)
}
