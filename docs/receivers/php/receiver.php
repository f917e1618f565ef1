<?php
// Receives webhooks with PHP alone: verify, keep once, answer at once; `work` is a process of its own.
//   WEBHOOK_SECRETS="whsec_..." WEBHOOK_INBOX=./inbox php -S 127.0.0.1:9000 receiver.php
//   WEBHOOK_INBOX=./inbox php receiver.php work         (from cron or a supervisor)
//   php receiver.php vectors signature-vectors.json
declare(strict_types=1);

const TOLERANCE_SECONDS = 300;
const SIGNATURES_CHARACTERS_MAX = 4096;
const BODY_BYTES_MAX = 1024 * 1024;

final class NotGenuine extends Exception
{
}

/** The webhook-id of a genuine request; names in $headers are in lower case. */
function verify(string $body, array $headers, array $secrets, int $now): string
{
    $id = one($headers, 'webhook-id', '/\A[A-Za-z0-9_-]{1,128}\z/');
    $sentAt = one($headers, 'webhook-timestamp', '/\A[0-9]{1,12}\z/');
    $signatures = one($headers, 'webhook-signature', '/\A[\x20-\x7e]+\z/');
    if (strlen($signatures) > SIGNATURES_CHARACTERS_MAX) {
        throw new NotGenuine('webhook-signature is too long');
    }
    if (abs($now - (int) $sentAt) > TOLERANCE_SECONDS) {
        throw new NotGenuine('webhook-timestamp is too old or too new');
    }
    $isGenuine = false;
    foreach ($secrets as $secret) {
        if (!str_starts_with($secret, 'whsec_')) { // a public key is no secret of HMAC
            throw new RuntimeException('this example verifies v1 alone, by whsec_');
        }
        $key = base64_decode(substr($secret, strlen('whsec_')), true);
        if ($key === false || $key === '') {
            throw new RuntimeException('a secret in the configuration is not base64');
        }
        $expected = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$sentAt.$body", $key, true));
        foreach (explode(' ', $signatures) as $signature) {
            $isGenuine = hash_equals($expected, $signature) || $isGenuine;
        }
    }
    if (!$isGenuine) {
        throw new NotGenuine('no signature is right');
    }
    return $id;
}

function one(array $headers, string $name, string $form): string
{
    $value = $headers[$name] ?? '';
    if (!is_string($value) || !preg_match($form, $value)) {
        throw new NotGenuine("$name is missing or malformed");
    }
    return $value;
}

/** Keeps a webhook once. In a shop: a table with webhook_id as its primary key. */
function keep(string $directory, string $id, string $body): void
{
    if (!is_dir($directory)) {
        @mkdir($directory, 0700, true);
    }
    $draft = tempnam($directory, 'draft');
    if ($draft === false || file_put_contents($draft, $body) !== strlen($body)) {
        throw new RuntimeException('the webhook cannot be written');
    }
    $file = fopen($draft, 'r+');
    fsync($file); // PHP 8.1
    fclose($file);
    // Linking is the decision: of two requests at the same moment one succeeds.
    $isKept = @link($draft, "$directory/$id.json");
    unlink($draft);
    if (!$isKept && !file_exists("$directory/$id.json")) {
        throw new RuntimeException('the webhook cannot be kept');
    }
}

function work(string $directory): void
{
    foreach (glob("$directory/*.json") as $path) {
        $done = substr($path, 0, -strlen('json')) . 'done';
        if (file_exists($done)) {
            continue;
        }
        try {
            $event = json_decode(file_get_contents($path), true, 512, JSON_THROW_ON_ERROR);
            // Here an order is released or stopped; docs/receive.md says by which rule.
            echo 'work ', basename($path, '.json'), ' ', $event['type'], "\n";
            touch($done);
        } catch (Throwable $error) {
            error_log("$path is tried again at the next run: " . $error->getMessage());
        }
    }
}

function receive(): int
{
    if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
        return 405;
    }
    // The raw bytes: never $_POST.
    $body = file_get_contents('php://input', false, null, 0, BODY_BYTES_MAX + 1);
    if (strlen($body) > BODY_BYTES_MAX) {
        return 413;
    }
    $headers = [];
    foreach (['id', 'timestamp', 'signature'] as $word) {
        $headers["webhook-$word"] = $_SERVER['HTTP_WEBHOOK_' . strtoupper($word)] ?? '';
    }
    try {
        $id = verify($body, $headers, explode(' ', getenv('WEBHOOK_SECRETS')), time());
        keep(getenv('WEBHOOK_INBOX'), $id, $body);
        return 204; // the same for a repeat
    } catch (NotGenuine) {
        return 401;
    }
}

function tellVectors(string $path): void
{
    $file = json_decode(file_get_contents($path), true, 512, JSON_THROW_ON_ERROR);
    foreach ($file['vectors'] as $vector) {
        $headers = array_change_key_case($vector['headers']);
        try {
            verify($vector['body'], $headers, $vector['secrets'], $vector['now']);
            echo "valid {$vector['name']}\n";
        } catch (NotGenuine) {
            echo "invalid {$vector['name']}\n";
        }
    }
}

if (PHP_SAPI !== 'cli') {
    http_response_code(receive());
} elseif ($argv[1] === 'work') {
    work(getenv('WEBHOOK_INBOX'));
} else {
    tellVectors($argv[2]);
}
