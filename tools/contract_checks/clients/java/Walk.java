import java.net.CookieManager;
import java.net.http.HttpClient;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.ApiResponse;
import org.openapitools.client.api.CallCapacitiesApi;
import org.openapitools.client.api.ExecutiveApi;
import org.openapitools.client.api.LoginApi;
import org.openapitools.client.model.Alerting;
import org.openapitools.client.model.AlertingUpdate;
import org.openapitools.client.model.AvailableAssistantsQuery;
import org.openapitools.client.model.CallCapacity;
import org.openapitools.client.model.CallCapacityCreate;
import org.openapitools.client.model.CallCapacityInstance;
import org.openapitools.client.model.CallCapacityList;
import org.openapitools.client.model.CallCapacityUpdate;
import org.openapitools.client.model.Criterion;
import org.openapitools.client.model.CriterionCreate;
import org.openapitools.client.model.CriterionUpdate;
import org.openapitools.client.model.ErrorReport;
import org.openapitools.client.model.FromDnCriteriaCreate;
import org.openapitools.client.model.FromDnCriteriaUpdate;
import org.openapitools.client.model.Login;
import org.openapitools.client.model.LoginProfile;
import org.openapitools.client.model.LoginResult;
import org.openapitools.client.model.ScheduleLevel;
import org.openapitools.client.model.TimeScheduleReference;

/** What a user of the Java client writes. Prints a line per call; run it with assertions enabled. */
public final class Walk {
    private static final String TENANT = "foo";
    private static final String GROUP = "foogroup";
    private static final String USER = "foouser";

    private final ApiClient client;

    private Walk(String url) {
        HttpClient.Builder keepingCookies = HttpClient.newBuilder().cookieHandler(new CookieManager());
        client = new ApiClient(keepingCookies, ApiClient.createDefaultObjectMapper(), url);
    }

    public static void main(String[] arguments) throws Exception {
        Walk walk = new Walk(arguments[0]);
        walk.logIn();
        walk.callCapacities();
        walk.executive();
    }

    private interface Call {
        ApiResponse<?> make() throws ApiException;
    }

    private static <T> T answered(int status, ApiResponse<T> answer) {
        assert answer.getStatusCode() == status : answer.getStatusCode();
        System.out.println(status);
        return answer.getData();
    }

    private void notFound(String rule, Call call) throws Exception {
        try {
            call.make();
        } catch (ApiException refusal) {
            assert refusal.getCode() == 404 : refusal;
            ErrorReport report = client.getObjectMapper().readValue(refusal.getResponseBody(), ErrorReport.class);
            assert report.getErrors().get(0).getDetails().getRule().equals(rule) : report;
            System.out.println(404);
            return;
        }
        throw new AssertionError("it was found");
    }

    private void logIn() throws ApiException {
        Login login = new Login().username("groupadmin").password("secret");
        LoginResult result = answered(200, new LoginApi(client).loginWithHttpInfo(login));
        assert result.getIds().getGroupId().equals(GROUP);
        assert result.getProfile().getUserLevel() == LoginProfile.UserLevelEnum.NUMBER_8;
    }

    private void callCapacities() throws Exception {
        CallCapacitiesApi api = new CallCapacitiesApi(client);

        CallCapacityList list = answered(200, api.listCallCapacitiesWithHttpInfo(TENANT, GROUP));
        List<String> names = list.getCallCapacities().stream().map(CallCapacity::getName).collect(Collectors.toList());
        assert names.equals(List.of("Reception", "disposable")) : names;

        CallCapacityCreate capacity = new CallCapacityCreate()
            .name("Büro 1").isDefault(false).maxCalls(3).maxIncomingCalls(2).userIds(Set.of("user_1", "foouser"));
        CallCapacityInstance created = answered(201, api.createCallCapacityWithHttpInfo(TENANT, GROUP, capacity));
        assert created.getMaxIncomingCalls() == 2;
        assert answered(200, api.getCallCapacityWithHttpInfo(TENANT, GROUP, "Büro 1")).equals(created);

        CallCapacityUpdate update = new CallCapacityUpdate().name("Büro 2").maxIncomingCalls(null);
        CallCapacityInstance updated =
            answered(200, api.updateCallCapacityWithHttpInfo(TENANT, GROUP, "Büro 1", update));
        assert updated.getName().equals("Büro 2");
        assert updated.getMaxCalls() == 3;
        assert updated.getMaxIncomingCalls() == null;
        assert updated.getUsers().size() == 2 : updated;
        Set<String> departments = updated.getUsers().stream()
            .map(user -> user.getDepartment().getActualInstance() instanceof String
                ? user.getDepartment().getString()
                : user.getDepartment().getDepartment().getDepartmentName())
            .collect(Collectors.toSet());
        assert departments.equals(Set.of("", "Inside Sales")) : departments;
        assert answered(200, api.getCallCapacityWithHttpInfo(TENANT, GROUP, "Büro 2")).equals(updated);

        answered(200, api.deleteCallCapacityWithHttpInfo(TENANT, GROUP, "Büro 2"));
        notFound("G-9", () -> api.getCallCapacityWithHttpInfo(TENANT, GROUP, "Büro 2"));
    }

    private void executive() throws Exception {
        ExecutiveApi api = new ExecutiveApi(client);

        Alerting alerting = answered(200, api.getAlertingWithHttpInfo(TENANT, GROUP, USER));
        assert alerting.getCliCustomName().equals("Test User");
        AlertingUpdate withoutName = new AlertingUpdate().cliCustomName(null);
        Alerting cleared = answered(200, api.updateAlertingWithHttpInfo(TENANT, GROUP, USER, withoutName));
        assert cleared.getCliCustomName() == null;
        assert cleared.getCliCustomNameUnicode().equals("Test User Unicode");
        assert answered(200, api.getAlertingWithHttpInfo(TENANT, GROUP, USER)).equals(cleared);

        CriterionCreate criterion = new CriterionCreate()
            .name("Büro 1")
            .timeSchedule(new TimeScheduleReference().level(ScheduleLevel.USER).name("Mornings"))
            .fromDnCriteria(new FromDnCriteriaCreate()
                .selection(FromDnCriteriaCreate.SelectionEnum.SPECIFIED_ONLY)
                .addPhoneNumbersItem("+3225551120"));
        Criterion created = answered(200, api.createCriterionWithHttpInfo(TENANT, GROUP, USER, criterion));
        assert created.getTimeSchedule().getName().equals("Mornings");
        assert created.getActive();
        assert answered(200, api.getCriterionWithHttpInfo(TENANT, GROUP, USER, "Büro 1")).equals(created);

        CriterionUpdate update = new CriterionUpdate()
            .name("Büro 2")
            .timeSchedule(null)
            .fromDnCriteria(new FromDnCriteriaUpdate().includeAnonymousCallers(true));
        Criterion updated =
            answered(200, api.updateCriterionWithHttpInfo(TENANT, GROUP, USER, "Büro 1", update));
        assert updated.getName().equals("Büro 2");
        assert updated.getTimeSchedule() == null;
        assert updated.getFromDnCriteria().getIncludeAnonymousCallers();
        assert updated.getFromDnCriteria().getPhoneNumbers().equals(List.of("+3225551120")) : updated;

        answered(200, api.deleteCriterionWithHttpInfo(TENANT, GROUP, USER, "Büro 2"));
        notFound("EX-14", () -> api.getCriterionWithHttpInfo(TENANT, GROUP, USER, "Büro 2"));

        // Without a query object, this client sends the body `null`.
        AvailableAssistantsQuery here = new AvailableAssistantsQuery();
        assert answered(200, api.listAvailableAssistantsWithHttpInfo(TENANT, GROUP, USER, null, here))
            .getUsers().size() == 2;
        AvailableAssistantsQuery anywhere = new AvailableAssistantsQuery().sameGroupOnly(false);
        assert answered(200, api.listAvailableAssistantsWithHttpInfo(TENANT, GROUP, USER, null, anywhere))
            .getUsers().size() == 4;
    }
}
