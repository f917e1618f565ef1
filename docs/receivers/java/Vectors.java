// Says of each published vector whether Receiver.verify takes it: javac *.java && java Vectors FILE
// The JDK has no JSON reader, so a small one stands here; your shop has a library for it.
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

public class Vectors {
    private final String text;
    private int at;

    private Vectors(String text) {
        this.text = text;
    }

    @SuppressWarnings("unchecked") // the file is published with these types
    public static void main(String[] arguments) throws Exception {
        var file = (Map<String, Object>) new Vectors(Files.readString(Path.of(arguments[0]))).value();
        var vectors = new ArrayList<>((List<Map<String, Object>>) file.get("vectors"));
        vectors.addAll((List<Map<String, Object>>) file.get("vectors_v1a"));
        for (var vector : vectors) {
            Map<String, String> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
            headers.putAll((Map<String, String>) vector.get("headers"));
            byte[] body = ((String) vector.get("body")).getBytes(StandardCharsets.UTF_8);
            Instant now = Instant.ofEpochSecond((Long) vector.get("now"));
            String word = "valid";
            try {
                Receiver.verify(body, headers::get, (List<String>) vector.get("secrets"), now);
            } catch (Receiver.NotGenuine refused) {
                word = "invalid";
            }
            System.out.println(word + " " + vector.get("name"));
        }
    }

    private Object value() {
        char first = next();
        if (first == '"') {
            return string();
        }
        if (first == '{') {
            Map<String, Object> members = new LinkedHashMap<>();
            while (peek() != '}') {
                next();
                String name = string();
                next(); // the colon
                members.put(name, value());
                if (peek() == ',') {
                    at++;
                }
            }
            at++;
            return members;
        }
        if (first == '[') {
            List<Object> items = new ArrayList<>();
            while (peek() != ']') {
                items.add(value());
                if (peek() == ',') {
                    at++;
                }
            }
            at++;
            return items;
        }
        int start = at - 1;
        while (",]} \n".indexOf(text.charAt(at)) < 0) {
            at++;
        }
        String word = text.substring(start, at);
        return word.equals("true") || word.equals("false") ? (Object) word : (Object) Long.valueOf(word);
    }

    private String string() {
        StringBuilder said = new StringBuilder();
        for (char c = text.charAt(at++); c != '"'; c = text.charAt(at++)) {
            said.append(c == '\\' ? escaped() : c);
        }
        return said.toString();
    }

    private char escaped() {
        char c = text.charAt(at++);
        if (c == 'u') {
            at += 4;
            return (char) Integer.parseInt(text.substring(at - 4, at), 16);
        }
        int known = "nrtbf".indexOf(c);
        return known < 0 ? c : "\n\r\t\b\f".charAt(known);
    }

    private char peek() {
        while (Character.isWhitespace(text.charAt(at))) {
            at++;
        }
        return text.charAt(at);
    }

    private char next() {
        peek();
        return text.charAt(at++);
    }
}
