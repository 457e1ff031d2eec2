import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.CookieManager;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CallCapacitiesTest {
    private static final String CAPACITIES = "/api/v1/tenants/foo/groups/foogroup/services/call_capacities/";
    private static final String RECEPTION = CAPACITIES + "Reception/";

    @RegisterExtension
    final ApioSandbox apio = new ApioSandbox();

    // The login's cookie is kept, and sent with later requests.
    private final HttpClient client = HttpClient.newBuilder().cookieHandler(new CookieManager()).build();

    @Test
    void aLimitThatIsSetToNullIsGone() throws Exception {
        logIn("secret");
        assertTrue(send("GET", RECEPTION, "").body().contains("\"maxOutgoingCalls\":5"));

        assertEquals(200, send("PUT", RECEPTION, "{\"maxOutgoingCalls\": null}").statusCode());

        String reception = send("GET", RECEPTION, "").body();
        assertFalse(reception.contains("maxOutgoingCalls"), reception);
        assertTrue(reception.contains("\"maxCalls\":7"), reception);
    }

    @ParameterizedTest
    @ValueSource(strings = {"Reception", "disposable"})
    void oneOfTwoCapacitiesCanBeDeleted(String name) throws Exception {
        logIn("secret");
        assertEquals(200, send("DELETE", CAPACITIES + name + "/", "").statusCode());
        assertEquals(404, send("GET", CAPACITIES + name + "/", "").statusCode());

        String others = send("GET", CAPACITIES, "").body();
        assertEquals(2, others.split("\"name\":").length, others);
    }

    @Test
    void aRefusalSaysWhyAndWhere() throws Exception {
        logIn("secret");
        HttpResponse<String> refusal = send("PUT", RECEPTION, "{\"userIds\": [\"user_1\", \"nobody\"]}");
        assertEquals(400, refusal.statusCode());
        assertTrue(refusal.body().contains("\"reason\":\"the group has no user 'nobody'\""), refusal.body());
        assertTrue(refusal.body().contains("\"rule\":\"CC-7\",\"pointer\":\"/userIds/1\""), refusal.body());
    }

    @Test
    void aWrongPasswordIsRefused() throws Exception {
        assertEquals(401, logIn("wrong").statusCode());
    }

    @Test
    void anotherGroupIsOutOfScope() throws Exception {
        logIn("secret");
        HttpResponse<String> refusal = send("GET", RECEPTION.replace("foogroup", "bargroup"), "");
        assertEquals(403, refusal.statusCode());
        assertTrue(refusal.body().contains("\"message\":\"Out of scope\""), refusal.body());
    }

    @Test
    void anOverloadedApiSaysWhenToComeBack() throws Exception {
        logIn("secret");
        String fault = "{\"operationId\": \"getCallCapacity\", \"status\": 503, \"retryAfter\": 2, \"times\": 1}";
        assertEquals(201, send("POST", "/_simulator/faults", fault).statusCode());

        HttpResponse<String> busy = send("GET", RECEPTION, "");
        assertEquals(503, busy.statusCode());
        assertEquals("2", busy.headers().firstValue("Retry-After").orElseThrow());
        assertEquals(200, send("GET", RECEPTION, "").statusCode());
    }

    private HttpResponse<String> logIn(String password) throws Exception {
        return send("POST", "/api/v1/login/", "{\"username\": \"groupadmin\", \"password\": \"" + password + "\"}");
    }

    private HttpResponse<String> send(String method, String path, String body) throws Exception {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(apio.baseUrl() + path));
        if (body.isEmpty()) {
            request.method(method, BodyPublishers.noBody());
        } else {
            request.method(method, BodyPublishers.ofString(body)).header("Content-Type", "application/json");
        }
        return client.send(request.build(), BodyHandlers.ofString());
    }
}
