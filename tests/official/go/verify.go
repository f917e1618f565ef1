// Says of each line of standard input (JSON: secret, headers, body) what the official library says.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

type delivery struct {
	Secret  string            `json:"secret"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

func verdict(line []byte) string {
	var given delivery
	if err := json.Unmarshal(line, &given); err != nil {
		return err.Error()
	}
	headers := http.Header{}
	for name, value := range given.Headers {
		headers.Set(name, value)
	}
	webhook, err := standardwebhooks.NewWebhook(given.Secret)
	if err != nil {
		return err.Error()
	}
	if err := webhook.Verify([]byte(given.Body), headers); err != nil {
		return "invalid"
	}
	return "valid"
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fmt.Println(verdict(lines.Bytes()))
	}
}
