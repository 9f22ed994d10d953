"""The digits with MLflow's own client: `autolog()` tracks what scikit-learn fits, in any server of MLflow's API."""
import mlflow
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

mlflow.set_experiment("sklearn-autolog")
mlflow.sklearn.autolog(log_models=False)

digits = load_digits()
train_x, test_x, train_y, test_y = train_test_split(digits.data, digits.target, random_state=0)
with mlflow.start_run() as run:
    forest = RandomForestClassifier(n_estimators=20, random_state=0).fit(train_x, train_y)
    mlflow.log_metric("test_accuracy", forest.score(test_x, test_y))
print(run.info.run_id)
