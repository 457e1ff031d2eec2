import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.UUID;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

public class ApioSandbox implements BeforeEachCallback, AfterEachCallback {
    private static final String SERVER = System.getenv().getOrDefault("APIO_SIMULATOR_URL", "http://127.0.0.1:4080");
    private final HttpClient client = HttpClient.newHttpClient();
    private final String name = UUID.randomUUID().toString();

    public String baseUrl() {
        return SERVER + "/_sandboxes/" + name;
    }

    @Override
    public void beforeEach(ExtensionContext context) throws Exception {
        call("PUT", SERVER + "/_simulator/sandboxes/" + name);
    }

    @Override
    public void afterEach(ExtensionContext context) throws Exception {
        if (context.getExecutionException().isPresent()) {
            String journal = call("GET", baseUrl() + "/_simulator/requests");
            System.err.println("Calls of the API in " + context.getDisplayName() + ": " + journal);
        }
        call("DELETE", SERVER + "/_simulator/sandboxes/" + name);
    }

    private String call(String method, String url) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(url)).method(method, BodyPublishers.noBody()).build();
        HttpResponse<String> response = client.send(request, BodyHandlers.ofString());
        if (response.statusCode() >= 300) {
            throw new IllegalStateException(method + " " + url + ": " + response.body());
        }
        return response.body();
    }
}
