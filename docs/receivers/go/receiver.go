// Receives webhooks with net/http: verify, keep once, answer at once, work afterwards.
//
//	WEBHOOK_SECRETS="whsec_..." WEBHOOK_INBOX=./inbox go run receiver.go serve 9000
//	go run receiver.go vectors signature-vectors.json
package main

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	toleranceSeconds       = 300
	signaturesCharacterMax = 4096
	bodyBytesMax           = 1024 * 1024
	retryAfter             = 5 * time.Second
)

var (
	errNotGenuine = errors.New("the webhook is not genuine")
	idForm        = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
	secondsForm   = regexp.MustCompile(`^[0-9]{1,12}$`)
)

// verify returns the webhook-id of a genuine request, or errNotGenuine; secrets are `whsec_...` for
// v1, and `whpk_...` for v1a.
func verify(body []byte, headers http.Header, secrets []string, now time.Time) (string, error) {
	id, sentAt := headers.Get("webhook-id"), headers.Get("webhook-timestamp")
	signatures := headers.Get("webhook-signature")
	if !idForm.MatchString(id) || !secondsForm.MatchString(sentAt) ||
		len(signatures) > signaturesCharacterMax {
		return "", errNotGenuine
	}
	seconds, _ := strconv.ParseInt(sentAt, 10, 64)
	if late := now.Unix() - seconds; late > toleranceSeconds || late < -toleranceSeconds {
		return "", errNotGenuine
	}
	signed := append([]byte(id+"."+sentAt+"."), body...)
	isGenuine := false
	for _, secret := range secrets {
		isRight, err := checkOf(secret, signed)
		if err != nil {
			return "", err
		}
		for _, signature := range strings.Split(signatures, " ") {
			isGenuine = isRight(signature) || isGenuine
		}
	}
	if !isGenuine {
		return "", errNotGenuine
	}
	return id, nil
}

// checkOf says of signatures whether this key made them; a key never serves another scheme.
func checkOf(secret string, signed []byte) (func(signature string) bool, error) {
	prefix, text, _ := strings.Cut(secret, "_")
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) == 0 {
		return nil, errors.New("what follows whsec_ or whpk_ in the configuration is not base64")
	}
	if prefix == "whsec" {
		mac := hmac.New(sha256.New, key)
		mac.Write(signed)
		expected := []byte("v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		return func(signature string) bool { return hmac.Equal([]byte(signature), expected) }, nil
	}
	if prefix != "whpk" || len(key) != ed25519.PublicKeySize {
		return nil, errors.New("a secret in the configuration is neither whsec_ nor whpk_")
	}
	return func(signature string) bool {
		version, text, _ := strings.Cut(signature, ",")
		given, err := base64.StdEncoding.DecodeString(text)
		return version == "v1a" && err == nil && ed25519.Verify(key, signed, given)
	}, nil
}

// inbox is a directory that keeps each webhook once, durably: ID.json was taken, ID.done worked on.
// In a shop it is a table with webhook_id as its primary key.
type inbox struct{ directory string }

func (in inbox) path(name string) string { return filepath.Join(in.directory, name) }

func (in inbox) start() error {
	if err := os.MkdirAll(in.directory, 0o700); err != nil {
		return err
	}
	left, err := filepath.Glob(in.path("*.json"))
	for _, path := range left {
		id := strings.TrimSuffix(filepath.Base(path), ".json")
		if _, err := os.Stat(in.path(id + ".done")); errors.Is(err, fs.ErrNotExist) {
			go in.work(id)
		}
	}
	return err
}

func (in inbox) keep(id string, body []byte) error {
	file, err := os.CreateTemp(in.directory, "*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.Write(body)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	// Linking is the decision: of two requests at the same moment one succeeds.
	if err = os.Link(file.Name(), in.path(id+".json")); errors.Is(err, fs.ErrExist) {
		return nil // a repeat
	} else if err != nil {
		return err
	}
	place, err := os.Open(in.directory)
	if err != nil {
		return err
	}
	defer place.Close()
	go in.work(id)
	return place.Sync()
}

func (in inbox) work(id string) {
	for {
		err := in.release(id)
		if err == nil {
			return
		}
		log.Printf("%s is tried again: %v", id, err)
		time.Sleep(retryAfter)
	}
}

// release is where an order is released or stopped; docs/receive.md says by which rule.
func (in inbox) release(id string) error {
	body, err := os.ReadFile(in.path(id + ".json"))
	if err != nil {
		return err
	}
	var event struct{ Type string }
	if err := json.Unmarshal(body, &event); err != nil {
		return err
	}
	fmt.Println("work", id, event.Type)
	return os.WriteFile(in.path(id+".done"), nil, 0o600)
}

func serve(port string, in inbox, secrets []string) error {
	receive := func(writer http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(writer, request.Body, bodyBytesMax)) // raw
		if err != nil {
			writer.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		id, err := verify(body, request.Header, secrets, time.Now())
		if errors.Is(err, errNotGenuine) {
			writer.WriteHeader(http.StatusUnauthorized)
			return
		}
		if err == nil {
			err = in.keep(id, body)
		}
		if err != nil {
			log.Print(err)
			writer.WriteHeader(http.StatusInternalServerError)
			return
		}
		writer.WriteHeader(http.StatusNoContent) // the same for a repeat
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /webhooks", receive)
	server := http.Server{Addr: "127.0.0.1:" + port, Handler: mux, ReadTimeout: 15 * time.Second}
	return server.ListenAndServe()
}

func tellVectors(path string) error {
	type vector struct {
		Name, Body string
		Secrets    []string
		Headers    map[string]string
		Now        int64
	}
	var file struct {
		Vectors    []vector
		VectorsV1a []vector `json:"vectors_v1a"`
	}
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &file)
	}
	for _, vector := range append(file.Vectors, file.VectorsV1a...) {
		headers := http.Header{}
		for name, value := range vector.Headers {
			headers.Add(name, value)
		}
		_, err := verify([]byte(vector.Body), headers, vector.Secrets, time.Unix(vector.Now, 0))
		if err == nil {
			fmt.Println("valid", vector.Name)
		} else if errors.Is(err, errNotGenuine) {
			fmt.Println("invalid", vector.Name)
		} else {
			return err
		}
	}
	return err
}

func main() {
	var err error
	if os.Args[1] == "vectors" {
		err = tellVectors(os.Args[2])
	} else {
		in := inbox{os.Getenv("WEBHOOK_INBOX")}
		if err = in.start(); err == nil {
			err = serve(os.Args[2], in, strings.Fields(os.Getenv("WEBHOOK_SECRETS")))
		}
	}
	if err != nil {
		log.Fatal(err)
	}
}
