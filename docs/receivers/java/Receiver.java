// Receives webhooks with the JDK's own server: verify, keep once, answer at once, work afterwards.
//   WEBHOOK_SECRETS="whsec_..." WEBHOOK_INBOX=./inbox java Receiver.java serve 9000
//   javac *.java && java Vectors signature-vectors.json
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PublicKey;
import java.security.Signature;
import java.security.SignatureException;
import java.security.spec.X509EncodedKeySpec;
import java.time.Instant;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.regex.Pattern;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class Receiver {
    static final int TOLERANCE_SECONDS = 300;
    static final int SIGNATURES_CHARACTERS_MAX = 4096;
    static final int BODY_BYTES_MAX = 1024 * 1024;
    static final int RETRY_SECONDS = 5;
    static final int THREADS = 16;
    static final Pattern ID = Pattern.compile("[A-Za-z0-9_-]{1,128}");
    static final Pattern SECONDS = Pattern.compile("[0-9]{1,12}");
    static final Pattern SIGNATURES = Pattern.compile("[\\x20-\\x7e]+");

    /** What stands before the 32 bytes of an ed25519 key in the form that Java reads. */
    static final String ED25519_KEY = "302a300506032b6570032100";

    /** The request is not, or not now, what keshikomi signed. */
    static class NotGenuine extends Exception {}

    /** Says of a signature whether one key made it. */
    interface Check {
        boolean isRight(String signature) throws GeneralSecurityException;
    }

    /**
     * The webhook-id of a genuine request; `header` finds a value by its name in lower case.
     * `secrets` are `whsec_...` for v1, and `whpk_...` for v1a.
     */
    static String verify(
            byte[] body, Function<String, String> header, List<String> secrets, Instant now)
            throws NotGenuine, GeneralSecurityException {
        String id = one(header, "webhook-id", ID);
        String sentAt = one(header, "webhook-timestamp", SECONDS);
        String signatures = one(header, "webhook-signature", SIGNATURES);
        if (signatures.length() > SIGNATURES_CHARACTERS_MAX
                || Math.abs(now.getEpochSecond() - Long.parseLong(sentAt)) > TOLERANCE_SECONDS) {
            throw new NotGenuine();
        }
        byte[] before = (id + "." + sentAt + ".").getBytes(StandardCharsets.UTF_8);
        boolean isGenuine = false;
        for (String secret : secrets) {
            Check check = checkOf(secret, before, body);
            for (String signature : signatures.split(" ")) {
                isGenuine |= check.isRight(signature);
            }
        }
        if (!isGenuine) {
            throw new NotGenuine();
        }
        return id;
    }

    /** A key never serves another scheme: a public key is no secret. */
    private static Check checkOf(String secret, byte[] before, byte[] body)
            throws GeneralSecurityException {
        if (secret.startsWith("whpk_")) {
            String hex = HexFormat.of().formatHex(
                    Base64.getDecoder().decode(secret.substring("whpk_".length())));
            byte[] encoded = HexFormat.of().parseHex(ED25519_KEY + hex);
            PublicKey key =
                    KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(encoded));
            return signature -> isRightV1a(key, before, body, signature);
        }
        if (!secret.startsWith("whsec_")) {
            throw new IllegalArgumentException("a secret begins with whsec_ or whpk_");
        }
        byte[] key = Base64.getDecoder().decode(secret.substring("whsec_".length()));
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        mac.update(before);
        byte[] expected = ("v1," + Base64.getEncoder().encodeToString(mac.doFinal(body)))
                .getBytes(StandardCharsets.UTF_8);
        return signature ->
                MessageDigest.isEqual(expected, signature.getBytes(StandardCharsets.UTF_8));
    }

    private static boolean isRightV1a(PublicKey key, byte[] before, byte[] body, String signature)
            throws GeneralSecurityException {
        if (!signature.startsWith("v1a,")) {
            return false;
        }
        try {
            byte[] given = Base64.getDecoder().decode(signature.substring("v1a,".length()));
            Signature verifier = Signature.getInstance("Ed25519");
            verifier.initVerify(key);
            verifier.update(before);
            verifier.update(body);
            // The JDK takes base64 without its end; keshikomi never leaves it out.
            return signature.endsWith("==") && verifier.verify(given);
        } catch (SignatureException | IllegalArgumentException malformed) {
            return false;
        }
    }

    private static String one(Function<String, String> header, String name, Pattern form)
            throws NotGenuine {
        String value = header.apply(name);
        if (value == null || !form.matcher(value).matches()) {
            throw new NotGenuine();
        }
        return value;
    }

    /** Keeps each webhook once, durably. In a shop: a table with webhook_id as its primary key. */
    static class Inbox {
        private final Path directory;
        private final ScheduledExecutorService worker = Executors.newScheduledThreadPool(1);

        Inbox(Path directory) throws IOException {
            this.directory = Files.createDirectories(directory);
            try (var files = Files.newDirectoryStream(directory, "*.json")) {
                for (Path file : files) {
                    String id = file.getFileName().toString().replace(".json", "");
                    if (!Files.exists(directory.resolve(id + ".done"))) {
                        worker.execute(() -> work(id));
                    }
                }
            }
        }

        void keep(String id, byte[] body) throws IOException {
            Path draft = Files.createTempFile(directory, "", ".tmp");
            try {
                Files.write(draft, body, StandardOpenOption.SYNC);
                // Linking is the decision: of two requests at the same moment one succeeds.
                Files.createLink(directory.resolve(id + ".json"), draft);
            } catch (FileAlreadyExistsException repeat) {
                return;
            } finally {
                Files.delete(draft);
            }
            try (FileChannel place = FileChannel.open(directory, StandardOpenOption.READ)) {
                place.force(true);
            }
            worker.execute(() -> work(id));
        }

        private void work(String id) {
            try {
                String body = Files.readString(directory.resolve(id + ".json"));
                // Here your JSON library reads the body, and an order is released or stopped;
                // docs/receive.md says by which rule.
                System.out.println("work " + id + " " + body.length() + " characters");
                Files.createFile(directory.resolve(id + ".done"));
            } catch (IOException | RuntimeException error) {
                System.err.println(id + " is tried again: " + error);
                worker.schedule(() -> work(id), RETRY_SECONDS, TimeUnit.SECONDS);
            }
        }
    }

    private static int receive(HttpExchange exchange, Inbox inbox, List<String> secrets)
            throws IOException {
        if (!exchange.getRequestMethod().equals("POST")) {
            return 405;
        }
        byte[] body = exchange.getRequestBody().readNBytes(BODY_BYTES_MAX + 1); // the raw bytes
        if (body.length > BODY_BYTES_MAX) {
            return 413;
        }
        try {
            inbox.keep(verify(body, exchange.getRequestHeaders()::getFirst, secrets, Instant.now()), body);
            return 204; // the same for a repeat
        } catch (NotGenuine refused) {
            return 401;
        } catch (GeneralSecurityException | IOException | RuntimeException error) {
            error.printStackTrace();
            return 500;
        }
    }

    public static void main(String[] arguments) throws IOException {
        List<String> secrets = List.of(System.getenv("WEBHOOK_SECRETS").split(" "));
        Inbox inbox = new Inbox(Path.of(System.getenv("WEBHOOK_INBOX")));
        int port = Integer.parseInt(arguments[1]);
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
        server.setExecutor(Executors.newFixedThreadPool(THREADS));
        server.createContext("/webhooks", exchange -> {
            try (exchange) {
                exchange.sendResponseHeaders(receive(exchange, inbox, secrets), -1);
            }
        });
        server.start();
    }
}
