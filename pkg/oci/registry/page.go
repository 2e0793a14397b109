// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/carosio/carosbuild/pkg/terminal"
)

// notJSON is the error for an answer that cannot be parsed. Of the requests before
// the image, only that for a token is parsed at once.
func (s *session) notJSON(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return &pageError{url: "what " + s.guard.host + " or its login server gives as a token"}
	}
	return err
}

// pageError is an answer with a web page instead of a document.
type pageError struct{ url, title string }

func (e *pageError) Error() string {
	text := e.url + " is a web page"
	if e.title != "" {
		text += fmt.Sprintf(" (%q)", e.title)
	}
	return text + ", not the answer of a registry"
}

// checkPage refuses a web page in place of a manifest, a list or a token.
func checkPage(first *http.Request, res *http.Response) error {
	path := first.URL.Path
	if first.Method != http.MethodGet || res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") ||
		path == "/v2/" || strings.Contains(path, "/blobs/") {
		return nil
	}
	head, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	res.Body.Close()
	shown := *res.Request.URL
	shown.RawQuery, shown.User = "", nil // which may contain secrets
	return &pageError{terminal.Excerpt(shown.String()), pageTitle(string(head))}
}

// checkDocument refuses a document that is not a manifest.
func checkDocument(doc []byte) error {
	text := strings.TrimSpace(string(doc[:min(len(doc), 4<<10)]))
	if strings.HasPrefix(text, "{") {
		var m struct {
			SchemaVersion int `json:"schemaVersion"`
		}
		if json.Unmarshal(doc, &m) == nil && m.SchemaVersion == 2 {
			return nil
		}
		return errors.New("its manifest is not of schemaVersion 2")
	}
	if strings.HasPrefix(text, "<") {
		return &pageError{"its manifest", pageTitle(text)}
	}
	return fmt.Errorf("its manifest is not a JSON object: %q", terminal.Excerpt(text[:min(len(text), 60)]))
}

func pageTitle(page string) string {
	_, rest, _ := strings.Cut(page, "<title>")
	title, _, ok := strings.Cut(rest, "</title>")
	if !ok {
		return ""
	}
	return terminal.Excerpt(title)
}

// reason is why something failed, without addresses, which may be signed.
func reason(err error) string {
	var t *transport.Error
	if errors.As(err, &t) {
		return fmt.Sprintf("%d %s", t.StatusCode, http.StatusText(t.StatusCode))
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return terminal.Excerpt(err.Error())
}
